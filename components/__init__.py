"""ComponentResources by role; what is particular to a cloud is in the folder of that cloud."""
