//! basic-pool-solution
