//! Any candle device.
