//! sim-std
