using System.Text.Json;
using PeftCore.Io;

namespace PeftCore.Data;

/// <summary>Makes the pixels that a model reads from pictures, as preprocessor_config.json says: resize, crop the center, rescale,
/// normalize, channels first. Fields that are absent are those of the processor's class in transformers.</summary>
internal sealed class PicturePreprocessor
{
    private const int LargestSide = 1 << 14;

    // Steps of other processors, which would change the pixels.
    private static readonly string[] Unsupported =
        ["do_pad", "do_flip_channel_order", "do_align_long_axis", "do_thumbnail", "do_split_image", "do_color_quantize"];

    private static readonly Kind Square = new([224, 224], null, ResizeFilter.Bilinear, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);

    private static readonly Kind Cropped = new([224], [224, 224], ResizeFilter.Bicubic, [0.48145466, 0.4578275, 0.40821073],
        [0.26862954, 0.26130258, 0.27577711]);

    private static readonly Dictionary<string, Kind> Kinds = new()
    {
        ["ViTImageProcessor"] = Square,
        ["ViTFeatureExtractor"] = Square,
        ["LayoutLMv3ImageProcessor"] = Square,
        ["LayoutLMv3FeatureExtractor"] = Square,
        ["CLIPImageProcessor"] = Cropped,
        ["CLIPFeatureExtractor"] = Cropped,
        ["BitImageProcessor"] = Cropped,
        ["SiglipImageProcessor"] = Square with { Filter = ResizeFilter.Bicubic },
    };

    // Height and width, or the shorter side alone; null for no change.
    private readonly int[]? _size;
    private readonly int[]? _crop;
    private readonly ResizeFilter _filter;
    private readonly float[,] _levels; // (3, 256): what each grey level becomes.

    private PicturePreprocessor(ConfigReader config, Kind kind)
    {
        Source = config.Source;
        foreach (string field in Unsupported.Where(field => config.Has(field) && config.Bool(field)))
        {
            throw config.Error(field, "is true, which is not supported; expected false");
        }
        if (config.Has("crop_pct"))
        {
            throw config.Error("crop_pct", "is not supported; write the sizes as size and crop_size");
        }
        if (config.StringOrNull("data_format") is { } format && format != "channels_first")
        {
            throw config.Error("data_format", $"is \"{format}\", but models read channels_first");
        }
        _size = config.Bool("do_resize", true) ? SizeIn(config, "size", kind.Size, mayBeShortest: true) : null;
        _crop = config.Bool("do_center_crop", kind.Crop is not null)
            ? SizeIn(config, "crop_size", kind.Crop ?? kind.Size, mayBeShortest: false) : null;
        int filter = config.Int("resample", (int)kind.Filter);
        _filter = Enum.IsDefined((ResizeFilter)filter) ? (ResizeFilter)filter
            : throw config.Error("resample", $"is {filter} ({FilterName(filter)}), expected 2 (bilinear) or 3 (bicubic)");
        double scale = config.Bool("do_rescale", true) ? config.Float("rescale_factor", 1 / 255.0, min: 0) : 1;
        bool normalizes = config.Bool("do_normalize", true);
        double[] mean = Colors(config, "image_mean", kind.Mean), deviation = Colors(config, "image_std", kind.Deviation);
        _levels = new float[Picture.Channels, 256];
        for (int c = 0; c < Picture.Channels; c++)
        {
            for (int level = 0; level < 256; level++)
            {
                double value = level * scale;
                _levels[c, level] = (float)(normalizes ? (value - mean[c]) / deviation[c] : value);
            }
        }
    }

    /// <summary>The file, for error messages.</summary>
    public string Source { get; }

    /// <summary>The size of every picture; null if it depends on the picture.</summary>
    public (int Height, int Width)? FixedSize => (_crop ?? _size) is [int height, int width] ? (height, width) : null;

    /// <summary>Reads the preprocessor of a model directory.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="modelType">The family, which decides if the file does not name a processor.</param>
    /// <exception cref="BadInputException">The directory has none, or one that is not supported.</exception>
    public static PicturePreprocessor Read(string directory, string modelType) =>
        Of(ProcessorConfig.Open(directory, "image_processor", "a picture"), modelType);

    /// <summary>The pictures of diffusion models, which have no file for them, as diffusers' training scripts make them: the shorter side
    /// resized (bilinear), the center cropped, pixels in [−1, 1].</summary>
    public static PicturePreprocessor OfSide(int side) => new(ConfigReader.Parse(
        $$"""{"size": {"shortest_edge": {{side}}}, "do_center_crop": true, "crop_size": {{side}}}""", "the size of the model's pictures"),
        Square);

    internal static PicturePreprocessor Of(ConfigReader config, string modelType)
    {
        string usual = modelType switch
        {
            "clip" or "dinov2" => "CLIPImageProcessor",
            "siglip" or "siglip_vision_model" => "SiglipImageProcessor",
            _ => "ViTImageProcessor",
        };
        string name = config.StringOrNull("image_processor_type") ?? config.StringOrNull("feature_extractor_type") ?? usual;
        // The same processor in transformers by another library.
        string plain = name.EndsWith("Fast", StringComparison.Ordinal) ? name[..^4]
            : name.EndsWith("Pil", StringComparison.Ordinal) ? name[..^3] : name;
        return Kinds.TryGetValue(plain, out var kind) ? new PicturePreprocessor(config, kind)
            : throw config.Error("image_processor_type", $"is \"{name}\", expected one of {string.Join(", ", Kinds.Keys)}");
    }

    /// <summary>A picture in the size that the model reads, its pixels still 0 to 255.</summary>
    public Picture Sized(Picture picture)
    {
        var (height, width) = SizeOf(picture.Height, picture.Width);
        picture = PictureResize.Resize(picture, height, width, _filter);
        return _crop is [int rows, int columns]
            ? picture.Crop(Middle(picture.Height, rows), Middle(picture.Width, columns), rows, columns) : picture;
    }

    /// <summary>A part of a picture, resized to the whole <see cref="FixedSize"/>.</summary>
    public Picture SizedPart(Picture part) => PictureResize.Resize(part, FixedSize!.Value.Height, FixedSize.Value.Width, _filter);

    /// <summary>Writes the numbers of a picture that has its size.</summary>
    /// <param name="picture">The picture.</param>
    /// <param name="target">(3, height, width).</param>
    public void Write(Picture picture, Span<float> target)
    {
        int count = picture.Height * picture.Width;
        for (int c = 0; c < Picture.Channels; c++)
        {
            for (int i = 0; i < count; i++)
            {
                target[c * count + i] = _levels[c, picture.Pixels[i * Picture.Channels + c]];
            }
        }
    }

    private (int Height, int Width) SizeOf(int height, int width) => _size switch
    {
        [int rows, int columns] => (rows, columns),
        [int side] => height <= width ? (side, Longer(side, width, height)) : (Longer(side, height, width), side),
        _ => (height, width),
    };

    private static int Longer(int side, int longer, int shorter) => (int)((long)side * longer / shorter);

    // A picture smaller than the crop gets a black border, the smaller half of it before the picture, as torchvision has it.
    private static int Middle(int length, int part) => (length - part) / 2;

    /// <summary>A size: a number, {"height", "width"}, or {"shortest_edge"}. A number is both sides, or the shorter one, as the processor's
    /// own size is.</summary>
    private static int[] SizeIn(ConfigReader config, string name, int[] usual, bool mayBeShortest)
    {
        if (config.Raw(name) is not { } value)
        {
            return usual;
        }
        if (value.ValueKind == JsonValueKind.Number)
        {
            int side = config.Int(name, min: 1, max: LargestSide);
            return usual.Length == 1 ? [side] : [side, side];
        }
        var size = config.Object(name);
        string[] names = [.. size.Names.Where(size.Has).Order(StringComparer.Ordinal)];
        int Side(string side) => size.Int(side, min: 1, max: LargestSide);
        return names is ["height", "width"] ? [Side("height"), Side("width")]
            : names is ["shortest_edge"] && mayBeShortest ? [Side("shortest_edge")]
            : throw config.Error(name, $"has {(names.Length == 0 ? "no sides" : string.Join(" and ", names))}, expected a number, height and "
                + $"width{(mayBeShortest ? ", or shortest_edge" : "")}");
    }

    private static double[] Colors(ConfigReader config, string name, double[] usual)
    {
        double[] colors = config.FloatsOrNull(name) ?? usual;
        return colors.Length == Picture.Channels && (name != "image_std" || !colors.Contains(0)) ? colors
            : throw config.Error(name, $"is [{string.Join(", ", colors)}], expected a number for each of red, green and blue"
                + (name == "image_std" ? ", none of them 0" : ""));
    }

    private static string FilterName(int filter) => filter switch
    {
        0 => "nearest",
        1 => "Lanczos",
        4 => "box",
        5 => "Hamming",
        _ => "unknown",
    };

    /// <summary>What a class of transformers does if the file does not say.</summary>
    /// <param name="Size">Height and width, or the shorter side alone.</param>
    /// <param name="Crop">Height and width of the center; null for no crop.</param>
    /// <param name="Filter">How pixels between others are found.</param>
    /// <param name="Mean">Of each color.</param>
    /// <param name="Deviation">Of each color.</param>
    private sealed record Kind(int[] Size, int[]? Crop, ResizeFilter Filter, double[] Mean, double[] Deviation);
}
