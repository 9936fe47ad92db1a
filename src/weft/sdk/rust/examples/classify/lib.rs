//! Names what is in a picture, with the model "net". Config: labels, one per line; top, how many to name (5).

use weft::{json, nn, Layout, IMAGENET};

const SIDE: u32 = 224;
const MAX_CLASSES: usize = 4096;

struct Classify {
    model: nn::Context,
    labels: Vec<String>,
    top: usize,
    input: Vec<f32>,
    scores: Vec<f32>,
}

impl weft::Function for Classify {
    fn init() -> weft::Result<Self> {
        let top = weft::config_get("top")?.map_or(Ok(5), |text| text.parse()).unwrap_or(0);
        if top == 0 {
            return Err("config top must be 1 or more".into());
        }
        let labels = weft::config_get("labels")?.unwrap_or_default();
        Ok(Classify {
            model: nn::Graph::load_by_name("net")?.context()?,
            labels: labels.lines().map(String::from).collect(),
            top,
            input: vec![0.0; (3 * SIDE * SIDE) as usize],
            scores: vec![0.0; MAX_CLASSES],
        })
    }

    fn handle(&mut self) -> weft::Result<()> {
        weft::image_tensor(SIDE, SIDE, Layout::Nchw, Some(&IMAGENET), &mut self.input)?;
        self.model.set_input(0, &[1, 3, SIDE, SIDE], &self.input)?;
        self.model.compute()?;
        let count = self.model.get_output(0, &mut self.scores)?;
        let scores = softmax(&self.scores[..count]);

        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let best: Vec<String> = order.iter().take(self.top).map(|&index| self.label(index, scores[index])).collect();
        weft::emit_json(&format!(r#"{{"labels":[{}]}}"#, best.join(",")))
    }
}

impl Classify {
    fn label(&self, index: usize, score: f32) -> String {
        let name = json::quote(self.labels.get(index).map_or("unnamed", String::as_str));
        format!(r#"{{"label":{name},"score":{score:.4},"index":{index}}}"#)
    }
}

fn softmax(scores: &[f32]) -> Vec<f32> {
    let largest = scores.iter().copied().fold(f32::MIN, f32::max);
    let powers: Vec<f32> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

weft::function!(Classify);
