"""The private network: one VPC, one subnet for workloads, private services access for databases, NAT for the way out.

Private services access and not Private Service Connect: every instance of an environment lives in the environment's
own project, so PSC's gains (no transitive peering, per-consumer endpoints) buy nothing, while it costs a forwarding
rule, an address and a DNS record per instance. The price of PSA is a range sized up front; it is half of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.guard import Guard
from settings.plan import GcpPlan


@dataclass(frozen=True, kw_only=True)
class Network:
    """What databases and workloads attach to."""

    network: gcp.compute.Network
    subnetwork: gcp.compute.Subnetwork
    services_connection: gcp.servicenetworking.Connection


def create_network(
    plan: GcpPlan, apis: Mapping[str, gcp.projects.Service], *, guard: Guard, parent: pulumi.Resource
) -> Network:
    """Create the environment's network; nothing in it accepts a connection from outside.

    Compute is known to say "has not been used in project" for a while after it was enabled, hence the retries.
    """
    opts = guard.retrying(parent)
    network = gcp.compute.Network(
        "network",
        name="tenantry",
        project=plan.project,
        auto_create_subnetworks=False,
        routing_mode="REGIONAL",
        opts=guard.retrying(parent, depends_on=[apis["compute.googleapis.com"]]),
    )
    subnetwork = gcp.compute.Subnetwork(
        "subnetwork",
        name="workloads",
        project=plan.project,
        region=plan.region,
        network=network.id,
        ip_cidr_range=plan.workload_range,
        private_ip_google_access=True,
        log_config={
            "aggregation_interval": "INTERVAL_10_MIN",
            "flow_sampling": 0.5,
            "metadata": "INCLUDE_ALL_METADATA",
        },
        opts=opts,
    )
    services_range = gcp.compute.GlobalAddress(
        "services-range",
        name="private-services",
        project=plan.project,
        purpose="VPC_PEERING",
        address_type="INTERNAL",
        address=plan.services_range_address,
        prefix_length=plan.services_range_prefix,
        network=network.id,
        opts=opts,
    )
    services_connection = gcp.servicenetworking.Connection(
        "services-connection",
        network=network.id,
        service="servicenetworking.googleapis.com",
        reserved_peering_ranges=[services_range.name],
        # ABANDON would leave a peering that blocks the deletion of the network later
        deletion_policy="REMOVE_PEERING",
        opts=guard.retrying(parent, depends_on=[apis["servicenetworking.googleapis.com"]]),
    )
    router = gcp.compute.Router(
        "router", name="nat", project=plan.project, region=plan.region, network=network.id, opts=opts
    )
    gcp.compute.RouterNat(
        "nat",
        name="nat",
        project=plan.project,
        region=plan.region,
        router=router.name,
        nat_ip_allocate_option="AUTO_ONLY",
        source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
        log_config={"enable": True, "filter": "ERRORS_ONLY"},
        opts=opts,
    )
    return Network(network=network, subnetwork=subnetwork, services_connection=services_connection)
