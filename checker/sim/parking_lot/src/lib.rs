//! sim-parking-lot
