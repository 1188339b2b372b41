using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>Reads pictures as the inputs of a model: decodes a file, resizes it and normalizes its pixels, as the model's
/// preprocessor_config.json says. Of models that read pages it also knows that words have boxes, and of diffusion models what noise and
/// texts they learn with.</summary>
public sealed class PictureReader
{
    /// <summary>The ending of files of latents, which diffusion models may learn instead of pictures.</summary>
    internal const string LatentsEnding = ".safetensors";

    private readonly PicturePreprocessor? _preprocessor;
    private readonly Func<string, Picture> _decode;
    private readonly PictureAugmentation? _augmentation;
    private readonly KeptPictures _kept;

    private PictureReader(TransformerModel model, PicturePreprocessor? preprocessor, Func<string, Picture> decode,
        PictureAugmentation? augmentation, KeptPictures kept) =>
        (Model, _preprocessor, _decode, _augmentation, _kept) = (model, preprocessor,
            path => Given.Result(decode(path), $"{path}: the decoder of pictures"), augmentation, kept);

    /// <summary>The model, which may have no weights yet.</summary>
    internal TransformerModel Model { get; }

    /// <summary>The noise and the texts of a diffusion model; null for other models.</summary>
    internal NoiseSetup? Noise { get; private init; }

    /// <summary>Whether the model reads pixels.</summary>
    internal bool ReadsPixels => _preprocessor is not null;

    /// <summary>Whether the model reads a box for each word.</summary>
    internal bool ReadsBoxes => LargestCoordinate is not null;

    /// <summary>The largest coordinate of boxes; null for a model that reads none.</summary>
    internal int? LargestCoordinate => Model.InputsOf(0).LargestCoordinate;

    /// <summary>Opens the preprocessor of a model.</summary>
    /// <param name="model">The model, with or without weights.</param>
    /// <param name="directory">The model's directory.</param>
    /// <param name="decode">Decodes a file; it throws a <see cref="BadInputException"/> for one that it cannot read.</param>
    /// <param name="warnings">Receives a sentence for each file that a diffusion model lacks, and what is used instead.</param>
    /// <exception cref="BadInputException">The directory has no preprocessor, or it does not fit the model.</exception>
    public static PictureReader Open(TransformerModel model, string directory, Func<string, Picture> decode,
        ICollection<string>? warnings = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        var sizes = model.InputsOf(0);
        if (sizes.Pixels is not { } pixels)
        {
            return sizes.HasBoxes ? new PictureReader(model, null, decode, null, new KeptPictures())
                : throw new BadInputException($"{directory}: this {model.ModelType} model reads no pictures.");
        }
        if (model is UNet unet)
        {
            // Other numbers of channels are those of latents.
            var square = pixels[0] == Picture.Channels ? PicturePreprocessor.OfSide(pixels[1]) : null;
            return new PictureReader(model, square, decode, null, new KeptPictures())
            {
                Noise = NoiseSetup.Open(unet, directory, warnings),
            };
        }
        var preprocessor = PicturePreprocessor.Read(directory, model.ModelType);
        if (pixels[0] != Picture.Channels)
        {
            throw new BadInputException($"{directory}: this {model.ModelType} model reads pictures of {pixels[0]} channels, but files have " +
                $"{Picture.Channels}: red, green and blue.");
        }
        if (!sizes.InterpolatesPixels && preprocessor.FixedSize != (pixels[1], pixels[2]))
        {
            throw new BadInputException($"{preprocessor.Source}: the preprocessor makes " + (preprocessor.FixedSize is (int height, int width)
                ? $"pictures of {height} × {width} pixels" : "pictures of several sizes") +
                $", but this {model.ModelType} model reads {pixels[1]} × {pixels[2]}; change size or crop_size, or copy the model's own file.");
        }
        return new PictureReader(model, preprocessor, decode, null, new KeptPictures());
    }

    /// <summary>A reader that changes pictures at random each time they are drawn, for training data.</summary>
    /// <param name="flip">Whether half of the pictures are mirrored.</param>
    /// <param name="smallestPart">The least share of a picture's area that is shown; 1 for the whole picture.</param>
    /// <exception cref="BadInputException">The share is no share, or pictures have no fixed size that a part could fill.</exception>
    public PictureReader Augmented(bool flip, double smallestPart = 1)
    {
        if (!(smallestPart is > 0 and <= 1))
        {
            throw new BadInputException($"the smallest part of a picture to show is {smallestPart}, expected a share above 0 and up to 1");
        }
        if (Noise is not null && _preprocessor is null)
        {
            throw new BadInputException("random changes are for pictures, but this model learns latents; leave them out.");
        }
        if (smallestPart < 1 && _preprocessor?.FixedSize is null)
        {
            throw new BadInputException($"{_preprocessor?.Source ?? Model.ModelType}: random parts of pictures need a fixed size, such as " +
                "crop_size with do_center_crop.");
        }
        return new PictureReader(Model, _preprocessor, _decode, new PictureAugmentation(flip, smallestPart), _kept) { Noise = Noise };
    }

    /// <summary>The probability of each class for a picture, the most likely class first. Classes of a model that compares pictures and
    /// texts are given as texts: it needs no training for them (zero-shot classification, Radford et al. 2021).</summary>
    /// <param name="model">The model with its weights and adapters, of the classes that this reader was opened for.</param>
    /// <param name="path">The file.</param>
    /// <param name="texts">What the picture may show, such as "a photo of a cat"; null for the classes of the model.</param>
    /// <param name="tokenizer">The model's tokenizer; null without texts.</param>
    /// <exception cref="BadInputException">The file cannot be read, a text is too long, or the model does not classify pictures
    /// so.</exception>
    public IReadOnlyList<(string Label, double Probability)> Classify(TransformerModel model, string path,
        IReadOnlyList<string>? texts = null, Tokenizer? tokenizer = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (texts is not null)
        {
            ArgumentNullException.ThrowIfNull(tokenizer);
        }
        if (model.Task != (texts is null ? ModelTask.ImageClassification : ModelTask.Contrastive))
        {
            throw new BadInputException($"this {model.ModelType} model is for {TaskSpec.NameOf(model.Task)} and does not " +
                (texts is null ? "classify pictures" : "compare pictures with texts"));
        }
        using var scope = new TensorScope();
        model.Mode.Training = false;
        var batch = texts is null ? new Collator(padId: 0).Collate([Example.Unlabelled([])]) : BatchOf(texts, model, tokenizer!);
        batch.Pixels = DenseBatch.Read([SourceOf(path)], [], null);
        float[] logits = Tape.NoGrad(() => model.Logits(batch.ToInputs(model))).ToFloats(); // (1, classes)
        return [.. (texts ?? model.Labels).Zip(Probabilities.Of(logits), (label, probability) => (label, probability))
            .OrderByDescending(item => item.probability)];
    }

    private static Batch BatchOf(IReadOnlyList<string> texts, TransformerModel model, Tokenizer tokenizer)
    {
        var encoder = new PairEncoder(new TokenizerText(tokenizer, null), model.MaxLength - model.VirtualTokenCount, new EncodeReport());
        return new Collator(tokenizer.PadId ?? tokenizer.EosId ?? 0).Collate([.. texts.Select(encoder.EncodeWhole)]);
    }

    /// <summary>Draws pictures with a diffusion model, from noise that only the seed decides (<see cref="DdimSampler"/>).</summary>
    /// <param name="model">The model with its weights and adapters.</param>
    /// <param name="prompt">The text; null for none.</param>
    /// <param name="count">Pictures.</param>
    /// <param name="steps">Steps of sampling.</param>
    /// <param name="seed">Seed of the noise.</param>
    /// <param name="guidance">The scale of classifier-free guidance; 1 for none.</param>
    /// <param name="classLabel">The number of the pictures' class; null for a model that reads none.</param>
    /// <returns>The pictures: (height, width, 3) of red, green and blue.</returns>
    /// <exception cref="BadInputException">The model predicts no pictures, or there is no text encoder for the prompt.</exception>
    public IReadOnlyList<(byte[] Pixels, int Height, int Width)> Draw(TransformerModel model, string? prompt, int count, int steps,
        ulong seed, double guidance = 1, int? classLabel = null) =>
        PictureDrawing.Draw(Noise ?? throw new BadInputException($"{Model.ModelType} models predict no noise, so they draw no pictures"),
            model, prompt, count, steps, seed, guidance, classLabel);

    /// <summary>The picture as a part of samples. It is decoded now, so that a bad file is found before training, and again each time it
    /// is drawn if it is not kept in memory.</summary>
    /// <exception cref="BadInputException">The file cannot be read; the message names it.</exception>
    internal DenseSource SourceOf(string path)
    {
        if (_preprocessor is null)
        {
            throw new BadInputException($"{path}: this model reads {Model.InputsOf(0).Pixels?[0]} channels, the latents of a variational " +
                $"autoencoder, which is not supported; store latents as {LatentsEnding} files with a tensor \"latents\".");
        }
        var decoded = _decode(path);
        var sized = _preprocessor.Sized(decoded);
        return new PictureSource(this, path, sized, _kept.Keeps(_augmentation is { Crops: true } ? decoded : sized));
    }

    /// <summary>The memory of decoded pictures, which all readers of a run share.</summary>
    private sealed class KeptPictures
    {
        // Pictures up to this size in all stay in memory; later ones are decoded again each time they are drawn.
        private const long MostBytes = 1L << 29;

        private long _bytes;

        /// <summary>The picture if it may be kept, else null.</summary>
        public Picture? Keeps(Picture picture)
        {
            if (_bytes + picture.Pixels.Length > MostBytes)
            {
                return null;
            }
            _bytes += picture.Pixels.Length;
            return picture;
        }
    }

    private sealed class PictureSource : DenseSource
    {
        private readonly PictureReader _reader;
        private readonly string _path;
        private readonly Picture? _kept;

        public PictureSource(PictureReader reader, string path, Picture sized, Picture? kept)
        {
            (_reader, _path, _kept) = (reader, path, kept);
            Shape = [Picture.Channels, sized.Height, sized.Width];
            long hash = reader._augmentation is null ? 17 : reader._augmentation.Flips ? 19 : 23;
            hash = hash * 31 + BitConverter.DoubleToInt64Bits(reader._augmentation?.SmallestPart ?? 1);
            foreach (byte value in sized.Pixels)
            {
                hash = unchecked(hash * 31 + value);
            }
            Fingerprint = hash;
        }

        public override Shape Shape { get; }

        public override long Fingerprint { get; }

        public override void Read(Span<float> target, SampleDraw draw)
        {
            var (preprocessor, augmentation) = (_reader._preprocessor!, _reader._augmentation);
            var picture = _kept ?? _reader._decode(_path);
            if (augmentation is { Crops: true })
            {
                picture = preprocessor.SizedPart(augmentation.Part(picture, draw));
            }
            else if (_kept is null)
            {
                picture = preprocessor.Sized(picture);
            }
            if (picture.Pixels.Length != target.Length)
            {
                throw new BadInputException($"{_path}: the picture has changed since the data were read; start again.");
            }
            preprocessor.Write(augmentation?.FlipsIn(draw) == true ? picture.Flip() : picture, target);
        }
    }
}
