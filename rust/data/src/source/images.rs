//! A folder of images, one subfolder a class: the classes, and the images in each, in torchvision's `ImageFolder` order.
use super::damage::{damaged, unsupported};
use super::fingerprint::Fingerprint;
use super::records::{Records, room};
use super::root::Root;
use crate::transform::decode::ENDINGS;
use rustorch_base::{Error, Result, bail, ensure};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Deepest nesting of folders; a link that leads to its own folder ends here.
const DEEPEST: usize = 32;
/// Image files that torchvision would list too, but that are not decoded here.
const FOREIGN_ENDINGS: [&str; 6] = ["ppm", "bmp", "pgm", "tif", "tiff", "webp"];

pub struct ImageFolder {
    root: Arc<Root>,
    folder: PathBuf,
    /// Paths below the folder, with their classes.
    files: Vec<(Box<str>, u32)>,
    classes: Vec<String>,
    fingerprint: u64,
}

impl ImageFolder {
    pub fn open(folder: &Path, root: Arc<Root>) -> Result<ImageFolder> {
        let entries = root.list(folder)?;
        let classes: Vec<String> = entries.into_iter().filter(|entry| entry.is_folder).map(|entry| entry.name).collect();
        ensure!(!classes.is_empty(), value, "Couldn't find any class folder in {}.", folder.display());
        let mut fingerprint = Fingerprint::new("images");
        let (mut files, mut empty) = (Vec::new(), Vec::new());
        for (number, class) in classes.iter().enumerate() {
            let found = images_below(&root, folder, class, &mut fingerprint)?;
            if found.is_empty() {
                empty.push(class.as_str());
            }
            files.extend(found.into_iter().map(|path| (path.into_boxed_str(), number as u32)));
        }
        if !empty.is_empty() {
            bail!(os, "Found no valid file for the classes {}. Supported extensions are: {}", empty.join(", "), ENDINGS.join(", "));
        }
        Ok(ImageFolder { root, folder: folder.to_owned(), files, classes, fingerprint: fingerprint.finish() })
    }

    fn path(&self, index: u64) -> Result<PathBuf> {
        super::check_index(index, self.len())?;
        Ok(self.folder.join(&*self.files[index as usize].0))
    }
}

/// Images of one class, ordered by folder, then by name.
fn images_below(root: &Root, folder: &Path, class: &str, fingerprint: &mut Fingerprint) -> Result<Vec<String>> {
    let (mut found, mut waiting) = (Vec::new(), vec![(class.to_owned(), 1)]);
    while let Some((below, depth)) = waiting.pop() {
        ensure!(depth <= DEEPEST, value, "'{}' is nested deeper than {DEEPEST} folders", folder.join(&below).display());
        for entry in root.list(&folder.join(&below))? {
            if entry.is_folder {
                waiting.push((format!("{below}/{}", entry.name), depth + 1));
                continue;
            }
            let ending = Path::new(&entry.name).extension().map(|ending| ending.to_string_lossy().to_lowercase());
            let ending = ending.as_deref().unwrap_or("");
            if FOREIGN_ENDINGS.contains(&ending) {
                return Err(unsupported(&folder.join(&below).join(&entry.name), format_args!("{ending} images are not decoded here")));
            }
            if ENDINGS.contains(&ending) {
                found.push((below.clone(), entry));
            }
        }
    }
    found.sort_unstable_by(|a, b| (&a.0, &a.1.name).cmp(&(&b.0, &b.1.name)));
    let path = |(below, entry): (String, super::root::Entry)| {
        let path = format!("{below}/{}", entry.name);
        fingerprint.text(&path);
        fingerprint.number(entry.len);
        fingerprint.number(entry.modified);
        path
    };
    Ok(found.into_iter().map(path).collect())
}

impl Records for ImageFolder {
    fn len(&self) -> u64 {
        self.files.len() as u64
    }
    fn read(&self, index: u64, into: &mut Vec<u8>) -> Result<()> {
        let path = self.path(index)?;
        let mut file = self.root.open(&path)?;
        let bytes = room(into, file.len as usize);
        file.file.read_exact(bytes).map_err(|e| damaged(&path, 0, e))
    }
    fn label(&self, index: u64) -> Option<i64> {
        self.files.get(index as usize).map(|&(_, class)| class.into())
    }
    fn classes(&self) -> &[String] {
        &self.classes
    }
    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
    fn damaged(&self, index: u64, reason: &str) -> Error {
        self.path(index).map_or_else(|error| error, |path| damaged(&path, 0, reason))
    }
}
