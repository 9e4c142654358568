//go:build tools

// Package engine pins the Pulumi engine that the sandbox builds when no `pulumi` is installed.
package engine

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
