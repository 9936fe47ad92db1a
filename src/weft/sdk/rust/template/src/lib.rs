//! Says whether a picture is bright or dark. Config: threshold, 0 to 1 (0.5).

use weft::PixelFormat;

const SIDE: u32 = 32;

struct Brightness {
    threshold: f32,
    grey: Vec<u8>,
}

impl weft::Function for Brightness {
    /// Called once, before the first frame.
    fn init() -> weft::Result<Self> {
        let text = weft::config_get("threshold")?.unwrap_or_else(|| "0.5".into());
        match text.parse() {
            Ok(threshold) if threshold > 0.0 && threshold < 1.0 => {
                Ok(Brightness { threshold, grey: vec![0; (SIDE * SIDE) as usize] })
            }
            _ => Err("config threshold must be between 0 and 1".into()),
        }
    }

    /// Called for every frame. An error fails the frame.
    fn handle(&mut self) -> weft::Result<()> {
        weft::image_read(SIDE, SIDE, PixelFormat::Gray8, &mut self.grey)?;
        let sum: u32 = self.grey.iter().map(|&value| u32::from(value)).sum();
        let brightness = sum as f32 / (255.0 * self.grey.len() as f32);
        let (label, score) =
            if brightness >= self.threshold { ("bright", brightness) } else { ("dark", 1.0 - brightness) };
        weft::emit_json(&format!(r#"{{"labels":[{{"label":"{label}","score":{score:.4}}}]}}"#))
    }
}

weft::function!(Brightness);
