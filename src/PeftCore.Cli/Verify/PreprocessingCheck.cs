using System.Text.Json;
using PeftCore.Cli.Session;
using PeftCore.Data;
using PeftCore.Io;

namespace PeftCore.Cli.Verify;

/// <summary>Checks what comes before a model: the pixels, samples and spectrograms that transformers' processors make of one picture and
/// one recording. Pixels may differ by one grey level, which Pillow and this library round apart; other numbers by 10⁻⁴.</summary>
/// <param name="folder">The fixture's directory: the settings of a result NAME are in NAME.json, or are known by its name.</param>
/// <param name="expected">Its reference values.</param>
internal sealed class PreprocessingCheck(string folder, Expected expected)
{
    public const string Image = "in.image", Wave = "in.wave_16khz";

    private const int WaveRate = 16000;
    private const double GreyLevels = 1.001, Numbers = 1e-4;

    private static readonly double[] Half = [0.5, 0.5, 0.5], ClipDeviation = [0.26862954, 0.26130258, 0.27577711];

    // A tower of CLIP reads 32 pixels here; DINOv2's own sizes are 256 and 224, which are 36 and 32 at this scale.
    private static readonly Dictionary<string, PictureRow> Pictures = new()
    {
        ["vit_224"] = new("""{"image_processor_type": "ViTImageProcessor"}""", Half, Step: 4),
        ["vit_32"] = new("""{"image_processor_type": "ViTImageProcessor", "size": 32}""", Half),
        ["clip_32"] = new("""{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": 32}""",
            ClipDeviation),
        ["dinov2_32"] = new("""
            {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32},
            "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
            """, [0.229, 0.224, 0.225]),
    };

    private static readonly Dictionary<string, string> Recordings = new()
    {
        ["whisper_80"] = """{"feature_extractor_type": "WhisperFeatureExtractor"}""",
        ["whisper_128"] = """{"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 128}""",
        ["wav2vec2"] = """{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "return_attention_mask": true}""",
    };

    public IEnumerable<Comparison> Run()
    {
        using var directory = new TemporaryDirectory();
        foreach (string name in expected.Names.Where(name => !name.StartsWith("in.", StringComparison.Ordinal)))
        {
            yield return Check(name, directory.FullPath);
        }
    }

    /// <summary>Compares one result; one whose settings are refused fails with the reason.</summary>
    private Comparison Check(string name, string directory)
    {
        var settings = SettingsOf(name);
        var row = settings is { } given && given.TryGetProperty("image_processor_type", out _) ? PictureRow.Of(given)
            : settings is null ? Pictures.GetValueOrDefault(name) : null;
        string? config = row?.Config ?? settings?.GetRawText() ?? Recordings.GetValueOrDefault(name);
        if (config is null)
        {
            return Comparison.Unsupported(name, $"no settings are known for it, expected one of "
                + string.Join(", ", Pictures.Keys.Concat(Recordings.Keys)));
        }
        File.WriteAllText(Path.Combine(directory, "preprocessor_config.json"), config);
        try
        {
            return row is null ? OfRecording(name, directory) : OfPicture(name, row, directory);
        }
        catch (BadInputException e)
        {
            return Comparison.Unsupported(name, e.Message);
        }
    }

    /// <summary>The largest difference in grey levels: a level is 1/(255·deviation) after normalization.</summary>
    private Comparison OfPicture(string name, PictureRow row, string directory)
    {
        float[,,] ours = Picture.FromRgb(Image, expected.Bytes(Image), expected.Extent(Image, 0), expected.Extent(Image, 1))
            .Preprocess(directory);
        float[] reference = expected.Floats(name);
        int height = expected.Extent(name, 2), width = expected.Extent(name, 3);
        if (ours.GetLength(1) != height * row.Step || ours.GetLength(2) != width * row.Step)
        {
            return Comparison.Unsupported(name,
                $"{ours.GetLength(1)} × {ours.GetLength(2)} pixels, expected {height * row.Step} × {width * row.Step}");
        }
        double worst = 0;
        int different = 0;
        for (int i = 0; i < reference.Length; i++)
        {
            int c = i / (height * width), y = i / width % height * row.Step, x = i % width * row.Step;
            double levels = Math.Abs((double)ours[c, y, x] - reference[i]) * row.Levels * row.Deviation[c];
            worst = double.IsNaN(levels) ? double.PositiveInfinity : Math.Max(worst, levels);
            different += levels > 0.5 ? 1 : 0;
        }
        return new Comparison(name, worst, GreyLevels,
            $"grey levels; {different} of {reference.Length} numbers are rounded to the other side");
    }

    /// <summary>The largest difference. Of spectrograms the reference has the first frames of each bin.</summary>
    private Comparison OfRecording(string name, string directory)
    {
        float[,] ours = Waveform.FromChannels(Wave, expected.Floats(Wave), 1, WaveRate).Preprocess(directory);
        float[] reference = expected.Floats(name);
        int rows = ours.GetLength(0), columns = reference.Length / rows;
        if (columns * rows != reference.Length || columns > ours.GetLength(1))
        {
            return Comparison.Unsupported(name, $"{rows} × {ours.GetLength(1)} numbers do not cover {reference.Length}");
        }
        double worst = 0;
        for (int i = 0; i < reference.Length; i++)
        {
            double difference = Math.Abs((double)ours[i / columns, i % columns] - reference[i]);
            worst = double.IsNaN(difference) ? double.PositiveInfinity : Math.Max(worst, difference);
        }
        return new Comparison(name, worst, Numbers, rows == 1 ? null : $"the first {columns} of {ours.GetLength(1)} frames");
    }

    /// <summary>The settings beside the reference values; null for none.</summary>
    private JsonElement? SettingsOf(string name)
    {
        string path = Path.Combine(folder, name + ".json");
        if (!File.Exists(path))
        {
            return null;
        }
        using var document = JsonFile.Read(path);
        return document.RootElement.Clone();
    }

    /// <param name="Config">preprocessor_config.json.</param>
    /// <param name="Deviation">The image_std of each color.</param>
    /// <param name="Step">The reference has each Step-th pixel.</param>
    /// <param name="Levels">Grey levels in a range of 1, before the division by the deviation.</param>
    private sealed record PictureRow(string Config, double[] Deviation, int Step = 1, double Levels = 255)
    {
        /// <summary>The row of given settings.</summary>
        public static PictureRow Of(JsonElement settings)
        {
            bool divides = !settings.TryGetProperty("do_normalize", out var normalize) || normalize.GetBoolean();
            string? kind = settings.GetProperty("image_processor_type").GetString();
            double[] deviation = !divides ? [1, 1, 1] : settings.TryGetProperty("image_std", out var given)
                ? [.. given.EnumerateArray().Select(value => value.GetDouble())]
                : kind is "CLIPImageProcessor" or "BitImageProcessor" ? ClipDeviation : Half;
            double levels = settings.TryGetProperty("rescale_factor", out var factor) ? 1 / factor.GetDouble() : 255;
            return new PictureRow(settings.GetRawText(), deviation, Levels: levels);
        }
    }
}
