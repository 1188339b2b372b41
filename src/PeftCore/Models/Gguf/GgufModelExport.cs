using System.Globalization;
using PeftCore.Io;
using PeftCore.Io.Gguf;

namespace PeftCore.Models.Gguf;

/// <summary>Writes whole models as convert_hf_to_gguf.py of llama.cpp does.</summary>
internal static class GgufModelExport
{
    private const uint QuantizationVersion = 2;
    private const int Piece = 1 << 20;

    // Tensors that are constants of the model.
    private static readonly string[] Buffers = [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"];

    /// <summary>Writes a file.</summary>
    /// <param name="model">The model's directory.</param>
    /// <param name="path">The file.</param>
    /// <param name="type">"f32", "f16", "bf16" or "q8_0".</param>
    /// <param name="warnings">Receives a sentence for each part that the file lacks.</param>
    /// <exception cref="BadInputException">llama.cpp has no place for a part of the model, or a file is damaged.</exception>
    public static void Write(string model, string path, string type, ICollection<string>? warnings)
    {
        var (asked, fileType) = GgufEncoding.Parse(type);
        var directory = ModelDirectory.Open(model);
        var config = directory.OpenConfig();
        string modelType = config.String("model_type");
        var architecture = GgufArchitecture.OfModel(modelType) ?? throw config.Error("model_type",
            $"is \"{modelType}\", which is not written as GGUF; written are {GgufArchitecture.Names}");
        Models.ModelLoader.Declare(config); // What the configuration is refused for.
        if (config.IntOrNull("sliding_window") is { } window && window < config.Int("max_position_embeddings", int.MaxValue)
            && (modelType == "mistral" || config.Bool("use_sliding_window", false)))
        {
            warnings?.Add(config.Sentence("sliding_window", $"is {window}, which GGUF files of {architecture.Name} do not carry: longer " +
                "texts have other results in llama.cpp"));
        }
        using var weights = directory.OpenWeights();
        var heads = HeadsOf(config, architecture);
        var tensors = new List<GgufTensorData>();
        if (architecture.Name != "gpt2" && Divisors(config) is { } divisors)
        {
            tensors.Add(new GgufTensorData(GgufRope.Divisors, GgufType.Named("F32"), [divisors.Length],
                stream => GgufEncoding.Write(stream, GgufType.Named("F32"), divisors)));
        }
        foreach (string name in weights.Names.Where(name => !Array.Exists(Buffers, end => name.EndsWith(end, StringComparison.Ordinal))))
        {
            tensors.Add(Tensor(weights.Get(name), architecture, heads, asked));
        }
        var metadata = new GgufMetadata();
        metadata.Add("general.architecture", architecture.Name);
        metadata.Add("general.type", "model");
        metadata.Add("general.name", GgufEncoding.TitleOf(model));
        metadata.Add("general.size_label", SizeLabel(tensors.Sum(tensor => tensor.Shape.Aggregate(1L, (count, axis) => count * axis))));
        AddSizes(metadata, config, architecture, fileType);
        metadata.Add("general.quantization_version", QuantizationVersion);
        GgufVocabulary.Add(metadata, directory, config, warnings);
        GgufWriter.Write(path, metadata, tensors);
    }

    /// <summary>Heads of q and of k in a configuration.</summary>
    public static (int Query, int Key) HeadsOf(ConfigReader config, GgufArchitecture architecture)
    {
        int heads = config.Int(architecture.Name == "gpt2" ? "n_head" : "num_attention_heads", min: 1);
        return (heads, config.Int("num_key_value_heads", heads, min: 1));
    }

    private static void AddSizes(GgufMetadata metadata, ConfigReader config, GgufArchitecture architecture, uint fileType)
    {
        string prefix = architecture.Name + ".";
        if (architecture.Name == "gpt2")
        {
            int width = config.Int("n_embd", min: 1);
            metadata.Add(prefix + "block_count", (uint)config.Int("n_layer", min: 1));
            metadata.Add(prefix + "context_length", (uint)config.Int("n_positions", 1024, min: 1));
            metadata.Add(prefix + "embedding_length", (uint)width);
            metadata.Add(prefix + "feed_forward_length", (uint)config.Int("n_inner", 4 * width, min: 1));
            metadata.Add(prefix + "attention.head_count", (uint)config.Int("n_head", min: 1));
            metadata.Add(prefix + "attention.layer_norm_epsilon", (float)config.Float("layer_norm_epsilon", 1e-5));
            metadata.Add("general.file_type", fileType);
            return;
        }
        var (heads, keyHeads) = HeadsOf(config, architecture);
        int hidden = config.Int("hidden_size", min: 1), headDim = config.Int("head_dim", hidden / heads, min: 1);
        metadata.Add(prefix + "block_count", (uint)config.Int("num_hidden_layers", min: 1));
        metadata.Add(prefix + "context_length", (uint)config.Int("max_position_embeddings", 2048, min: 1));
        metadata.Add(prefix + "embedding_length", (uint)hidden);
        metadata.Add(prefix + "feed_forward_length", (uint)config.Int("intermediate_size", min: 1));
        metadata.Add(prefix + "attention.head_count", (uint)heads);
        metadata.Add(prefix + "attention.head_count_kv", (uint)keyHeads);
        AddScaling(metadata, config, prefix);
        metadata.Add(prefix + "rope.freq_base", (float)Theta(config));
        metadata.Add(prefix + "attention.layer_norm_rms_epsilon", (float)config.Float("rms_norm_eps", 1e-6));
        if (config.Has("head_dim"))
        {
            metadata.Add(prefix + "attention.key_length", (uint)headDim);
            metadata.Add(prefix + "attention.value_length", (uint)headDim);
        }
        metadata.Add("general.file_type", fileType);
        if (architecture.Name == "llama")
        {
            metadata.Add(prefix + "vocab_size", (uint)config.Int("vocab_size", min: 1));
            metadata.Add(prefix + "rope.dimension_count", (uint)headDim);
        }
    }

    private static ConfigReader? RopeOf(ConfigReader config) =>
        config.ObjectOrNull("rope_parameters") ?? config.ObjectOrNull("rope_scaling");

    private static string? RopeType(ConfigReader rope) => rope.StringOrNull("rope_type") ?? rope.StringOrNull("type");

    private static double Theta(ConfigReader config) => RopeOf(config)?.FloatOrNull("rope_theta") ?? config.Float("rope_theta", 10_000);

    private static void AddScaling(GgufMetadata metadata, ConfigReader config, string prefix)
    {
        if (RopeOf(config) is not { } rope || RopeType(rope) is null or "default" or "llama3")
        {
            return;
        }
        string type = RopeType(rope)!;
        if (type is not ("linear" or "yarn"))
        {
            throw rope.Error("rope_type", $"is \"{type}\", which is not written as GGUF; written are default, linear, yarn and llama3");
        }
        prefix += "rope.scaling.";
        metadata.Add(prefix + "type", type);
        metadata.Add(prefix + "factor", (float)rope.Float("factor"));
        if (type == "linear")
        {
            return;
        }
        metadata.Add(prefix + "original_context_length", (uint)rope.Int("original_max_position_embeddings", min: 1));
        foreach (var (field, key) in new[]
            { ("attention_factor", "yarn_attn_factor"), ("beta_fast", "yarn_beta_fast"), ("beta_slow", "yarn_beta_slow") })
        {
            if (rope.FloatOrNull(field) is { } value)
            {
                metadata.Add(prefix + key, (float)value);
            }
        }
    }

    private static float[]? Divisors(ConfigReader config)
    {
        if (RopeOf(config) is not { } rope || RopeType(rope) != "llama3")
        {
            return null;
        }
        int headDim = config.Int("head_dim", config.Int("hidden_size") / config.Int("num_attention_heads"));
        return GgufRope.Llama3(Theta(config), headDim, rope.Float("factor"), rope.Float("low_freq_factor"), rope.Float("high_freq_factor"),
            rope.Int("original_max_position_embeddings", 8192));
    }

    private static GgufTensorData Tensor(WeightEntry entry, GgufArchitecture architecture, (int Query, int Key) heads, GgufType asked)
    {
        int dot = entry.Name.LastIndexOf('.');
        string module = dot < 0 ? "" : entry.Name[..dot], suffix = dot < 0 ? "" : entry.Name[dot..];
        // Files of the bare model lack the prefix.
        var (name, layout) = architecture.ToFile(module) ?? architecture.ToFile("transformer." + module)
            ?? architecture.ToFile("model." + module) ?? throw entry.Error($"has no name in models of {architecture.Name} in llama.cpp");
        if (layout == GgufLayout.Transposed && suffix != ".weight")
        {
            layout = GgufLayout.Same;
        }
        long[] shape = layout == GgufLayout.Transposed ? [.. entry.Shape.Reverse()] : entry.Shape;
        var type = GgufEncoding.TypeOf(name + suffix, shape, asked);
        return new GgufTensorData(name + suffix, type, shape,
            stream => Write(stream, entry, type, layout, layout == GgufLayout.QueryRows ? heads.Query : heads.Key));
    }

    private static void Write(Stream stream, WeightEntry entry, GgufType type, GgufLayout layout, int heads)
    {
        if (layout == GgufLayout.Transposed)
        {
            float[] values = entry.ToFloats(), turned = new float[values.Length];
            int inputs = (int)entry.Shape[0], outputs = (int)entry.Shape[1];
            for (int i = 0; i < values.Length; i++)
            {
                turned[i % outputs * inputs + i / outputs] = values[i];
            }
            GgufEncoding.Write(stream, type, turned);
            return;
        }
        long columns = entry.Shape.Length == 1 && layout != GgufLayout.Same ? 1 : entry.Shape[^1];
        long rows = entry.Shape.Aggregate(1L, (count, axis) => count * axis) / columns;
        if (layout == GgufLayout.Same)
        {
            // Pieces of whole rows.
            long step = Math.Max(1, Piece / columns);
            for (long row = 0; row < rows; row += step)
            {
                GgufEncoding.Write(stream, type, entry.ToFloats(row * columns, (int)(Math.Min(step, rows - row) * columns)));
            }
            return;
        }
        if (rows % (2 * heads) != 0)
        {
            throw entry.Error($"has {rows} rows, which {heads} heads of an even size do not divide");
        }
        float[] moved = new float[rows * columns];
        for (long row = 0; row < rows; row++)
        {
            entry.ToFloats(GgufRows.InModel(row, rows / heads) * columns, (int)columns).CopyTo(moved.AsSpan((int)(row * columns)));
        }
        GgufEncoding.Write(stream, type, moved);
    }

    /// <summary>The number of parameters for people, as gguf-py writes it: at least two digits and a letter.</summary>
    private static string SizeLabel(long parameters)
    {
        var (scaled, letter) = parameters > 1e12 ? (parameters * 1e-12, 'T') : parameters > 1e9 ? (parameters * 1e-9, 'B')
            : parameters > 1e6 ? (parameters * 1e-6, 'M') : (parameters * 1e-3, 'K');
        string whole = Math.Round(scaled).ToString(CultureInfo.InvariantCulture).TrimStart('0');
        int digits = Math.Max(2 - whole.Length, 0);
        return scaled.ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) + letter;
    }
}
