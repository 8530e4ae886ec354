//! basic-pool
