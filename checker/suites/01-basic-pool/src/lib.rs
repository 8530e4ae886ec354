//! basic-pool-suite
