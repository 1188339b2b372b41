using PeftCore.Io;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>Finds the parameters of a model in its weight files.</summary>
/// <param name="model">The model.</param>
/// <param name="weights">The files.</param>
/// <param name="method">What the configuration says of quantised weights; null for nothing.</param>
internal sealed class StoredWeights(TransformerModel model, WeightSource weights, StoredQuantization? method)
{
    private const string Weight = ".weight";

    // LLM.int8() without a configuration, as transformers has it by default.
    private const float UsualThreshold = 6;

    /// <summary>A parameter as the files store it; null if they do not have it.</summary>
    /// <param name="path">The parameter's path.</param>
    /// <param name="shape">Its shape.</param>
    public StoredWeight? Find(string path, Shape shape)
    {
        var entry = FindEntry(path);
        if (entry is null && model.PiecesOf(path) is { } pieces && Join(pieces, shape) is { } joined)
        {
            return joined;
        }
        bool isMatrix = shape.Rank == 2;
        bool isTransposed = isMatrix && model.Find(path[..Math.Max(0, path.LastIndexOf('.'))]) is MatrixLayer { Transposed: true };
        if (isMatrix && Quantised(path, entry, isTransposed) is { } quantised)
        {
            return quantised;
        }
        if (entry is null)
        {
            return shape.Rank == 3 ? Mxfp4Experts.Of(FindEntry, path, method?.Name ?? "MXFP4") : null;
        }
        return new PlainWeight(entry);
    }

    /// <summary>The tensor of a parameter: weight files of the bare model omit the base prefix, and older ones have other names.</summary>
    public WeightEntry? FindEntry(string path) =>
        FindNamed(path) ?? (model.OldName(path) is { } old ? FindNamed(old) : null) ?? FindTied(path);

    private WeightEntry? FindNamed(string path)
    {
        WeightEntry? entry;
        foreach (string name in new[] { model.FileName(path), path })
        {
            if (weights.TryGet(name, out entry)
                || (name.StartsWith(model.BasePrefix, StringComparison.Ordinal)
                    && weights.TryGet(name[model.BasePrefix.Length..], out entry))
                || (model.MissingPrefix.Length > 0 && weights.TryGet(model.MissingPrefix + name, out entry)))
            {
                return entry;
            }
        }
        return null;
    }

    // A file may have either of two tied names.
    private WeightEntry? FindTied(string path) => model.IsTied && path.EndsWith(Weight, StringComparison.Ordinal)
        && model.Find(path[..^Weight.Length]) == model.TokenEmbedding && weights.TryGet(model.HeadTable, out var entry) ? entry : null;

    private JoinedWeight? Join(IReadOnlyList<WeightPiece> pieces, Shape shape)
    {
        var parts = new List<(WeightPiece, StoredWeight)>();
        foreach (var piece in pieces)
        {
            if (Find(piece.Name, piece.ShapeIn(shape)) is not { } part)
            {
                return null;
            }
            parts.Add((piece, part));
        }
        return new JoinedWeight(parts);
    }

    private StoredWeight? Quantised(string path, WeightEntry? entry, bool isTransposed)
    {
        string module = path.EndsWith(Weight, StringComparison.Ordinal) ? path[..^Weight.Length] : path;
        WeightEntry? OfLayer(string name) => FindNamed($"{module}.{name}");
        if (entry is not null)
        {
            WeightEntry? Beside(string name) => weights.TryGet(name, out var found) ? found : null;
            return FourBitWeight.Of(entry, Beside, isTransposed)
                ?? EightBitWeight.Of(entry, Beside, method?.Threshold ?? UsualThreshold, method?.Numbers ?? DType.F16, isTransposed)
                ?? (StoredWeight?)ScaledWeight.Of(entry, OfLayer, method, isTransposed);
        }
        return method?.Kind switch
        {
            StoredMethod.Gptq => GptqWeight.Of(OfLayer, method, isTransposed),
            StoredMethod.Awq => AwqWeight.Of(OfLayer, method, isTransposed),
            StoredMethod.Packed => PackedWeight.Of(OfLayer, method, isTransposed),
            StoredMethod.Mxfp4 or null => Mxfp4Weight.Of(OfLayer, method, isTransposed),
            _ => null,
        };
    }
}
