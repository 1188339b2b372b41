using PeftCore.Io;
using PeftCore.Io.Gguf;
using PeftCore.Models.Gguf;
using PeftCore.Peft.Lora;

namespace PeftCore.Peft.Gguf;

/// <summary>Writes LoRA adapters as convert_lora_to_gguf.py of llama.cpp does: α and the factors of each layer, "NAME.lora_a" (r, in) and
/// "NAME.lora_b" (out, r), where the rows of B of q and k are in the order of ggml's rotation. llama.cpp multiplies B·A by α/r; where the
/// adapter's factor is another one (rank-stabilised LoRA, patterns), α or B carries it.</summary>
internal static class GgufAdapterExport
{
    private const string FactorA = ".lora_A.weight", FactorB = ".lora_B.weight", TableA = ".lora_embedding_A", TableB = ".lora_embedding_B";
    private const string Table = ".base_layer.weight";
    private const uint QuantizationVersion = 2;

    /// <summary>Writes a file.</summary>
    /// <param name="directory">The adapter.</param>
    /// <param name="model">Its base model, of which only the configuration is read.</param>
    /// <param name="path">The file.</param>
    /// <param name="type">"f32", "f16", "bf16" or "q8_0".</param>
    /// <param name="warnings">Receives a sentence if the factors carry a scale.</param>
    /// <exception cref="BadInputException">The adapter is no plain LoRA, or llama.cpp has no place for a part of it.</exception>
    public static void Write(string directory, string model, string path, string type, ICollection<string>? warnings)
    {
        var (asked, _) = GgufEncoding.Parse(type);
        var config = ModelDirectory.Open(model).OpenConfig();
        string modelType = config.String("model_type");
        var architecture = GgufArchitecture.OfModel(modelType) ?? throw config.Error("model_type",
            $"is \"{modelType}\", whose adapters are not written as GGUF; written are {GgufArchitecture.Names}");
        var (opened, source) = AdapterDirectory.Open(directory, null);
        using var open = source;
        if (opened is not LoraConfig lora)
        {
            throw new BadInputException($"{directory}: the method is {opened.PeftType}, but llama.cpp reads LoRA only; make it one with " +
                "peftcore convert --rank N --model DIR, or merge it and export the model.");
        }
        Refuse(directory, lora);
        var layers = LayersOf(source, lora, config.Int("vocab_size", min: 1));
        if (layers.Count == 0)
        {
            throw new BadInputException($"{directory}: the adapter has no factors of a LoRA.");
        }
        double alpha = layers[0].Alpha;
        var metadata = new GgufMetadata();
        metadata.Add("general.architecture", architecture.Name);
        metadata.Add("general.type", "adapter");
        metadata.Add("adapter.type", "lora");
        metadata.Add("general.name", GgufEncoding.TitleOf(directory));
        metadata.Add("adapter.lora.alpha", (float)alpha);
        metadata.Add("general.quantization_version", QuantizationVersion);
        var heads = GgufModelExport.HeadsOf(config, architecture);
        List<GgufTensorData> tensors = [.. layers.SelectMany(layer => Tensors(layer, architecture, heads, alpha, asked))];
        if (layers.Count(layer => layer.FactorOf(alpha) != 1) is > 0 and var scaled)
        {
            warnings?.Add($"{directory}: the factors α/r differ between layers, and llama.cpp has one α; B of {scaled} layers is " +
                "multiplied.");
        }
        GgufWriter.Write(path, metadata, tensors);
    }

    private static void Refuse(string directory, LoraConfig lora)
    {
        string? why = lora.UseDora ? "is a DoRA, whose magnitudes llama.cpp does not have; make it a LoRA with peftcore convert --rank N " +
                "--model DIR, or merge it"
            : lora.Init.ChangesBase ? $"changed its base when it started ({lora.InitName}), so it fits no other one; make it a plain " +
                "LoRA with peftcore convert --model DIR"
            : null;
        if (why is not null)
        {
            throw new BadInputException($"{directory}: the adapter {why}.");
        }
    }

    /// <summary>The layers in the order of their names, as the converter meets them.</summary>
    private static List<Layer> LayersOf(AdapterWeights source, LoraConfig lora, int vocabulary)
    {
        var layers = new List<Layer>();
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (string name in source.Names.Order(StringComparer.Ordinal))
        {
            bool isTable = name.EndsWith(TableA, StringComparison.Ordinal);
            if (!isTable && !name.EndsWith(FactorA, StringComparison.Ordinal))
            {
                continue;
            }
            string layer = name[..^(isTable ? TableA : FactorA).Length], other = layer + (isTable ? TableB : FactorB);
            if (!source.Names.Contains(other))
            {
                throw source.Get(name).Error("has no second factor; the file is incomplete");
            }
            var a = source.Get(name);
            double rank = a.Shape[0];
            string module = layer[AdapterParameter.Prefix.Length..];
            double alpha = TargetMatching.Lookup(lora.AlphaPattern, module, lora.Alpha, "alpha_pattern");
            layers.Add(new Layer(module, a, source.Get(other), lora.UseRsLora ? alpha * Math.Sqrt(rank) : alpha, isTable));
            taken.UnionWith([name, other]);
        }
        // PEFT saves the base's table beside factors of it; one with other rows would be needed by the adapter.
        if (source.Names.FirstOrDefault(name => !taken.Contains(name)
            && !(name.EndsWith(Table, StringComparison.Ordinal) && source.Get(name).Shape[0] == vocabulary)) is { } rest)
        {
            throw source.Get(rest).Error("is no factor of a LoRA, and llama.cpp's adapters have no place for it; merge the adapter and " +
                "export the model");
        }
        return layers;
    }

    private static IEnumerable<GgufTensorData> Tensors(Layer layer, GgufArchitecture architecture, (int Query, int Key) heads, double alpha,
        GgufType asked)
    {
        var (name, layout) = architecture.ToFile(layer.Module) ?? throw layer.A.Error(
            $"belongs to \"{layer.Module}\", which models of {architecture.Name} in llama.cpp do not have");
        float[] a = layer.A.ToFloats(), b = layer.B.ToFloats();
        double factor = layer.FactorOf(alpha);
        if (factor != 1)
        {
            b = Array.ConvertAll(b, value => (float)(value * factor));
        }
        long[] shapeA = layer.A.Shape, shapeB = layer.B.Shape;
        if (layer.IsTable)
        {
            (a, shapeA) = (Transposed(a, shapeA), [shapeA[1], shapeA[0]]);
        }
        if (layout is GgufLayout.QueryRows or GgufLayout.KeyRows)
        {
            b = Rotated(layer.B, b, layout == GgufLayout.QueryRows ? heads.Query : heads.Key);
        }
        yield return Tensor($"{name}.weight.lora_a", shapeA, a, asked);
        yield return Tensor($"{name}.weight.lora_b", shapeB, b, asked);
    }

    private static GgufTensorData Tensor(string name, long[] shape, float[] values, GgufType asked)
    {
        var type = GgufEncoding.TypeOf(name, shape, asked);
        return new GgufTensorData(name, type, shape, stream => GgufEncoding.Write(stream, type, values));
    }

    private static float[] Transposed(float[] values, long[] shape)
    {
        float[] turned = new float[values.Length];
        int rows = (int)shape[0], columns = (int)shape[1];
        for (int i = 0; i < values.Length; i++)
        {
            turned[i % columns * rows + i / columns] = values[i];
        }
        return turned;
    }

    private static float[] Rotated(WeightEntry entry, float[] values, int heads)
    {
        long rows = entry.Shape[0], columns = entry.Shape[1];
        if (rows % (2 * heads) != 0)
        {
            throw entry.Error($"has {rows} rows, which {heads} heads of an even size do not divide; the base model is another one");
        }
        float[] moved = new float[values.Length];
        for (long row = 0; row < rows; row++)
        {
            values.AsSpan((int)(GgufRows.InModel(row, rows / heads) * columns), (int)columns).CopyTo(moved.AsSpan((int)(row * columns)));
        }
        return moved;
    }

    /// <summary>The update of one layer.</summary>
    /// <param name="Module">Path of the layer.</param>
    /// <param name="A">(r, in); of a table (r, rows).</param>
    /// <param name="B">(out, r)</param>
    /// <param name="Alpha">The α whose α/r is the factor of B·A.</param>
    /// <param name="IsTable">Whether the layer is a table of tokens.</param>
    private sealed record Layer(string Module, WeightEntry A, WeightEntry B, double Alpha, bool IsTable)
    {
        /// <summary>The factor of B if the file's α is <paramref name="alpha"/>.</summary>
        public double FactorOf(double alpha) => Alpha / alpha;
    }
}
