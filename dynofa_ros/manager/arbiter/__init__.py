"""All applications together: operating points and clocks, exact where the budget allows."""
