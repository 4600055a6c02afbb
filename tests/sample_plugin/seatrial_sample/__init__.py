"""Parts of seatrial that another package adds."""
