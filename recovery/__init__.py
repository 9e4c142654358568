"""After a crash: take a dead lock, account for every interrupted creation, leave a state that `up` can use."""
