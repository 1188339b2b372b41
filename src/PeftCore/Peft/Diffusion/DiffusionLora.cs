using System.Text.Json;
using PeftCore.Io;
using PeftCore.Peft.Diffusion;
using PeftCore.Peft.Lora;

namespace PeftCore.Peft;

/// <summary>Reads and writes LoRA files of diffusion pipelines: one file for the UNet and the text encoder, in the layouts of diffusers and
/// of kohya's trainer. Each part becomes, or comes from, an adapter directory of Hugging Face PEFT.</summary>
public static class DiffusionLora
{
    /// <summary>Name of the file that diffusers writes.</summary>
    internal const string FileName = "pytorch_lora_weights.safetensors";

    /// <summary>Subdirectory of the text encoder's adapter.</summary>
    internal const string TextEncoderDirectory = "text_encoder";

    private const string Metadata = "lora_adapter_metadata";

    /// <summary>Reads a pipeline's file and writes the UNet's adapter to a directory, that of the text encoder to "text_encoder" in
    /// it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="directory">The directory.</param>
    /// <returns>The paths of the adapters that were written.</returns>
    /// <exception cref="BadInputException">The file has a name of no known layout, or a tensor is missing or does not fit.</exception>
    public static IReadOnlyList<string> Import(string path, string directory)
    {
        using var source = WeightSource.OpenFile(path);
        var keys = source.Names.Select(name => (Name: name, Key: DiffusionKeys.Parse(name) ?? throw source.Get(name).Error(
            "is no LoRA tensor of a known layout; expected unet.….lora_A.weight, unet.….processor.to_q_lora.down.weight or " +
            "lora_unet_….lora_down.weight, or the same of a text_encoder"))).ToList();
        var written = new List<string>();
        foreach (var part in keys.GroupBy(entry => entry.Key.Part).OrderBy(group => group.Key))
        {
            string target = part.Key == PipelinePart.UNet ? directory : Path.Combine(directory, TextEncoderDirectory);
            Import(source, [.. part], part.Key, target);
            written.Add(target);
        }
        return written.Count > 0 ? written : throw new BadInputException($"{path}: the file holds no tensors");
    }

    /// <summary>Writes a UNet's LoRA adapter, and that of a text encoder in "text_encoder" below it, as one file of a pipeline.</summary>
    /// <param name="directory">The adapter's directory.</param>
    /// <param name="path">The file.</param>
    /// <param name="kohya">kohya's layout, with α beside each module; otherwise that of diffusers, where B is multiplied by α/r, because
    /// its readers take α = r.</param>
    /// <exception cref="BadInputException">The adapter is no LoRA, or the layout has no place for a tensor.</exception>
    public static void Export(string directory, string path, bool kohya)
    {
        List<SafetensorsTensor> tensors = [.. Tensors(directory, PipelinePart.UNet, kohya)];
        string text = Path.Combine(directory, TextEncoderDirectory);
        if (Directory.Exists(text))
        {
            tensors.AddRange(Tensors(text, PipelinePart.TextEncoder, kohya));
        }
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path)) ?? path);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Writing(path, e);
        }
        SafetensorsWriter.Write(path, tensors, new Dictionary<string, string> { ["format"] = "pt" });
    }

    private static void Import(WeightSource source, List<(string Name, DiffusionKey Key)> entries, PipelinePart part, string directory)
    {
        var tensors = new List<SafetensorsTensor>();
        var ranks = new Dictionary<string, int>(StringComparer.Ordinal);
        var alphas = new Dictionary<string, double>(StringComparer.Ordinal);
        var seen = new Dictionary<string, string>(StringComparer.Ordinal);
        var outputs = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (name, key) in entries)
        {
            var entry = source.Get(name);
            string stored = AdapterParameter.Prefix + key.Module + "." + key.Tensor;
            if (!seen.TryAdd(stored, name))
            {
                throw entry.Error($"and \"{seen[stored]}\" are one tensor in two layouts; keep one");
            }
            switch (key.Tensor)
            {
                case "alpha":
                    alphas[key.Module] = entry.ToFloats() is [var alpha] ? alpha : throw entry.Error("is no single number");
                    continue;
                case "lora_A.weight":
                    ranks[key.Module] = (int)entry.Shape[0];
                    break;
                case "lora_B.weight":
                    outputs.Add(key.Module);
                    break;
            }
            tensors.Add(entry.ToFile(stored));
        }
        string? half = outputs.FirstOrDefault(module => !ranks.ContainsKey(module))
            ?? ranks.Keys.FirstOrDefault(module => !outputs.Contains(module));
        if (half is not null)
        {
            throw new BadInputException($"{source.Place}: \"{half}\" has only one of the two factors of a LoRA; the file is incomplete");
        }
        if (alphas.Keys.FirstOrDefault(module => !ranks.ContainsKey(module)) is { } idle)
        {
            throw new BadInputException($"{source.Place}: \"{idle}\" has an alpha but no factors; the file is incomplete");
        }
        AddStoredAlphas(source, part, ranks, alphas);
        var config = ConfigOf(ranks, alphas, entries.Exists(entry => entry.Key.Tensor == "lora_magnitude_vector"),
            entries.Exists(entry => entry.Key.Tensor == "lora_B.bias"));
        AdapterDirectory.Save(directory, config, tensors, SavedLabels.Of(source.Place, new Dictionary<string, string>()));
    }

    /// <summary>Reads α from the configuration that newer files of diffusers have in their metadata.</summary>
    private static void AddStoredAlphas(WeightSource source, PipelinePart part, Dictionary<string, int> ranks,
        Dictionary<string, double> alphas)
    {
        if (!source.Files[0].Metadata.TryGetValue(Metadata, out string? json))
        {
            return;
        }
        var config = ConfigReader.Parse(json, $"{source.Place}: metadata {Metadata}");
        string prefix = DiffusionKeys.PrefixOf(part);
        double? common = config.FloatOrNull(prefix + "lora_alpha");
        var patterns = config.Raw(prefix + "alpha_pattern") is { ValueKind: JsonValueKind.Object } table
            ? table.EnumerateObject().Select(row => KeyValuePair.Create(row.Name, row.Value.GetDouble())).ToList() : [];
        if (config.Raw(prefix + "use_rslora") is { ValueKind: JsonValueKind.True })
        {
            throw config.Error(prefix + "use_rslora", "is true, which a pipeline's file cannot carry over; save the adapter with PEFT");
        }
        foreach (string module in ranks.Keys.Where(module => !alphas.ContainsKey(module)).ToArray())
        {
            double alpha = TargetMatching.Lookup(patterns, module, common ?? double.NaN, "alpha_pattern");
            if (!double.IsNaN(alpha))
            {
                alphas[module] = alpha;
            }
        }
    }

    /// <summary>The configuration: the most frequent rank and α, and patterns for other modules. Without α it is the rank.</summary>
    private static LoraConfig ConfigOf(Dictionary<string, int> ranks, Dictionary<string, double> alphas, bool dora, bool bias)
    {
        var of = ranks.ToDictionary(pair => pair.Key, pair => alphas.GetValueOrDefault(pair.Key, pair.Value), StringComparer.Ordinal);
        int rank = MostFrequent(ranks.Values);
        double alpha = MostFrequent(of.Values);
        return new LoraConfig
        {
            Rank = rank,
            Alpha = alpha,
            UseDora = dora,
            LoraBias = bias,
            TargetModules = ModuleSelector.Of([.. ranks.Keys]),
            RankPattern = [.. ranks.Where(pair => pair.Value != rank).Select(pair => KeyValuePair.Create(Exactly(pair.Key), pair.Value))],
            AlphaPattern = [.. of.Where(pair => pair.Value != alpha).Select(pair => KeyValuePair.Create(Exactly(pair.Key), pair.Value))],
        };
    }

    /// <summary>A pattern for one path.</summary>
    private static string Exactly(string path) => path.Replace(".", "\\.", StringComparison.Ordinal);

    private static T MostFrequent<T>(IEnumerable<T> values) where T : notnull =>
        values.GroupBy(value => value).MaxBy(group => group.Count())!.Key;

    private static IEnumerable<SafetensorsTensor> Tensors(string directory, PipelinePart part, bool kohya)
    {
        var (config, source) = AdapterDirectory.Open(directory, null);
        using var open = source;
        if (config is not LoraConfig lora || lora.UseRsLora || lora.Init.ChangesBase)
        {
            throw new BadInputException(
                $"{directory}: a pipeline's file holds a plain LoRA; convert this adapter to one with --rank and --model first");
        }
        var tensors = new List<SafetensorsTensor>();
        foreach (string name in source.Names)
        {
            var entry = source.Get(name);
            if (!name.StartsWith(AdapterParameter.Prefix, StringComparison.Ordinal)
                || DiffusionKeys.Parse(DiffusionKeys.PrefixOf(part) + name[AdapterParameter.Prefix.Length..]) is not { } parsed)
            {
                throw entry.Error("is no part of a LoRA that a pipeline's file has a place for");
            }
            double scale = ScaleOf(source, lora, parsed.Module, out double alpha);
            var key = parsed with { Part = part };
            if (kohya)
            {
                tensors.Add(entry.ToFile(DiffusionKeys.ToKohya(key)));
                if (key.Tensor == "lora_A.weight")
                {
                    tensors.Add(SafetensorsTensor.Of(DiffusionKeys.ToKohya(key with { Tensor = "alpha" }), "F32", [], [(float)alpha]));
                }
            }
            else if (scale != 1 && key.Tensor is "lora_B.weight" or "lora_B.bias")
            {
                tensors.Add(SafetensorsTensor.Of(DiffusionKeys.ToDiffusers(key), "F32", entry.Shape,
                    Array.ConvertAll(entry.ToFloats(), value => (float)(value * scale))));
            }
            else
            {
                tensors.Add(entry.ToFile(DiffusionKeys.ToDiffusers(key)));
            }
        }
        return tensors;
    }

    private static double ScaleOf(AdapterWeights source, LoraConfig lora, string module, out double alpha)
    {
        double rank = source.Get(AdapterParameter.Prefix + module + ".lora_A.weight").Shape[0];
        alpha = TargetMatching.Lookup(lora.AlphaPattern, module, lora.Alpha, "alpha_pattern");
        return alpha / rank;
    }
}
