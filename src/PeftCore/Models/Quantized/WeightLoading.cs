using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>Reads the parameters of a model from its weight files: plain numbers as they are or quantised one layer at a time, stored codes
/// as they are where a layer keeps them, and else dequantised.</summary>
internal sealed class WeightLoading(TransformerModel model, WeightSource weights, ConfigReader config, Backend backend, DType? dtype,
    QuantizationOptions? quantization)
{
    private readonly StoredWeights _stored = new(model, weights, model.StoredQuantization);

    /// <summary>Reads every parameter and buffer.</summary>
    /// <param name="warnings">Receives a sentence for what is ignored, dequantised or not quantised.</param>
    /// <exception cref="BadInputException">Tensors are missing, unknown or of the wrong shape, or contradict what is asked for.</exception>
    public void Fill(ICollection<string>? warnings)
    {
        var unused = new HashSet<string>(weights.Names.Where(name => !model.IsBuffer(name)), StringComparer.Ordinal);
        var found = Find(unused);
        var kept = QuantizedLayers.Of(model);
        if (found.FirstOrDefault(pair => pair.Weight.Method is not null).Weight is { } first)
        {
            RefuseContradiction(first);
        }
        else if (model.StoredQuantization is { } method)
        {
            throw Quantization.OfPlain(config, method.Name, weights.Place);
        }
        Warn(found, kept, warnings);
        using (var quantizer = new WeightQuantizer(model, backend, found.Any(pair => pair.Weight.Method is not null) ? null : quantization))
        {
            foreach (var (parameter, weight) in found)
            {
                Read(parameter, weight, kept, quantizer);
            }
        }
        foreach (string name in weights.Names.Where(model.IsBuffer))
        {
            model.ReadBuffer(weights.Get(name), backend);
        }
        CheckUnused(unused, warnings);
    }

    private void Read(Parameter parameter, StoredWeight weight, Dictionary<Parameter, Linear> kept, WeightQuantizer quantizer)
    {
        if (weight.Format is { } format && kept.TryGetValue(parameter, out var layer))
        {
            weight.ReadCodes(layer.MaterializeQuantized(backend, format));
        }
        else if (quantizer.Takes(parameter))
        {
            quantizer.Quantize(parameter, weight.Entries[0].Name, dtype ?? weight.DType, weight.Read);
        }
        else if (weight is PlainWeight { Entries: [var entry] })
        {
            WeightReader.Read(entry, parameter, backend, dtype);
        }
        else
        {
            weight.Read(parameter.Materialize(backend, dtype ?? weight.DType));
        }
    }

    private List<(Parameter Parameter, StoredWeight Weight)> Find(HashSet<string> unused)
    {
        var found = new List<(Parameter, StoredWeight)>();
        var missing = new List<string>();
        foreach (var (path, parameter) in model.NamedParameters())
        {
            bool isNewHead = model.HasNewHead && model.IsHead(path);
            if (_stored.Find(path, parameter.Shape) is not { } weight)
            {
                if (!isNewHead)
                {
                    missing.Add(path);
                }
                continue;
            }
            unused.ExceptWith(weight.Entries.Select(entry => entry.Name));
            if (isNewHead && weight is PlainWeight { Entries: [var entry] } && !WeightReader.HasShape(entry, parameter.Shape))
            {
                continue; // The file's head is for other classes.
            }
            weight.Check(parameter.Shape);
            found.Add((parameter, weight));
        }
        return missing.Count == 0 ? found : throw Missing(missing);
    }

    private void RefuseContradiction(StoredWeight stored)
    {
        if (quantization is null)
        {
            return;
        }
        if (stored.Format is { } format)
        {
            quantization.CheckStored(format, weights.Place);
            return;
        }
        throw new BadInputException($"{weights.Place}: the weights are stored quantised with {stored.Method}, so they cannot be loaded as "
            + $"{quantization.Type}; leave that out, or make a plain model with peftcore convert --dequantize first.");
    }

    private void Warn(List<(Parameter Parameter, StoredWeight Weight)> found, Dictionary<Parameter, Linear> kept,
        ICollection<string>? warnings)
    {
        var decoded = found.Where(pair => pair.Weight.Method is not null
            && (pair.Weight.Format is null || !kept.ContainsKey(pair.Parameter))).ToList();
        if (decoded.Count > 0)
        {
            long stored = decoded.Sum(pair => pair.Weight.Entries.Sum(entry => entry.Length));
            long read = decoded.Sum(pair => pair.Parameter.Shape.Count * (dtype ?? pair.Weight.DType).Size);
            warnings?.Add($"{weights.Place}: {decoded.Count} weights that are quantised with {decoded[0].Weight.Method} are dequantised as "
                + FormattableString.Invariant($"they are read: {stored:N0} bytes in the file are {read:N0} in memory."));
        }
        var left = found.Where(pair => pair.Parameter.Shape.Rank > 2).ToList();
        if (quantization is not null && decoded.Count == 0 && left.Count > 0)
        {
            long bytes = left.Sum(pair => pair.Parameter.Shape.Count * (dtype ?? pair.Weight.DType).Size);
            warnings?.Add($"{weights.Place}: quantisation is for linear layers; {left.Count} tensors of convolutions or fused experts stay "
                + FormattableString.Invariant($"as they are, {bytes:N0} bytes."));
        }
    }

    private void CheckUnused(HashSet<string> unused, ICollection<string>? warnings)
    {
        if (model.IsTied)
        {
            unused.Remove(model.HeadTable); // It is the embedding's table again, or the model would have been declared untied.
        }
        unused.RemoveWhere(name => NewHead.IsLeftOut(model, name));
        // Tensors that the index of a sharded model does not list may be leftovers; those that it lists belong to the model.
        foreach (string name in unused.Where(name => weights.TryGet(name, out var entry) && !entry.IsListed).Order(StringComparer.Ordinal)
            .ToArray())
        {
            unused.Remove(name);
            warnings?.Add($"{weights.Place}: tensor \"{name}\" is not in the index and belongs to no part of a {model.ModelType} model; " +
                "it is ignored.");
        }
        if (unused.Count > 0)
        {
            throw Unknown([.. unused.Order(StringComparer.Ordinal)]);
        }
    }

    private BadInputException Missing(List<string> missing) =>
        new(missing.Count == 1 && missing[0] == model.HeadTable
        ? $"{weights.Place}: the head's table \"{model.HeadTable}\" is missing, and the configuration does not tie it to the embedding; " +
            "if the model shares one table, set tie_word_embeddings to true in config.json."
        : $"{weights.Place}: {missing.Count} of the model's tensors are missing, such as \"{missing[0]}\"; the file belongs to another " +
        "model or is incomplete.");

    private BadInputException Unknown(string[] unknown)
    {
        long blocks = unknown.Max(BlockOf) + 1L;
        string why = blocks > model.LayerCount ? $"the file has {blocks} blocks, but the configuration says {model.LayerCount}"
            : unknown[0].EndsWith(".bias", StringComparison.Ordinal) ? "the configuration says that there is no such bias"
            : "the file belongs to another model";
        return new BadInputException(
            $"{weights.Place}: {unknown.Length} tensors belong to no part of a {model.ModelType} model, such as \"{unknown[0]}\"; {why}.");
    }

    /// <summary>The number of the block in a tensor's name; -1 outside the blocks.</summary>
    private static int BlockOf(string name)
    {
        string[] parts = name.Split('.');
        int at = Array.FindIndex(parts, part => part is "layers" or "layer" or "h" or "block");
        return at >= 0 && at + 1 < parts.Length && NumberText.TryDigits(parts[at + 1], out int block) ? block : -1;
    }
}
