using PeftCore.Io;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;

namespace PeftCore.Peft.Shira;

/// <summary>SHiRA (Bhardwaj et al. 2024) on one linear layer: y = x·(W + S)ᵀ + b with a sparse S of r·(in + out) entries at random places.
/// Only these entries are stored and have gradients; S is never dense.</summary>
internal sealed class ShiraAdapter : DeltaAdapter
{
    // Rows and columns of the entries are one array.
    private const int MostEntries = int.MaxValue / 2;

    private readonly Parameter _weight;
    private readonly Tensor _indices;
    private readonly SparsePattern _pattern;

    public ShiraAdapter(AttachContext context, ShiraConfig config, string path, Linear layer, ulong site) : base(layer)
    {
        long all = (long)layer.Inputs * layer.Outputs, wanted = (long)config.Rank * (layer.Inputs + layer.Outputs);
        if (wanted > all)
        {
            throw new BadInputException(
                $"r is {config.Rank}, which makes {wanted} weights of \"{path}\" learn; it has {all}; choose a smaller r or leave the " +
                "layer out");
        }
        if (wanted > MostEntries)
        {
            throw new BadInputException($"r is {config.Rank}, which makes {wanted} weights of \"{path}\" learn; the indices of one layer " +
                $"hold at most {MostEntries}; choose a smaller r");
        }
        int n = (int)wanted;
        _weight = context.NewParameter([n]);
        _ = config.InitWeights ? _weight.Zero() : _weight.Normal(0, 1, context.Seed, site);
        _indices = context.NewConstant([2, n], DType.I32);
        _pattern = new SparsePattern(layer.Outputs, layer.Inputs, _indices.Unscoped([n]), _indices.Unscoped([n], n),
            CsrIndex.NewIndex(context, layer.Outputs, n), CsrIndex.NewIndex(context, layer.Inputs, n));
        if (!context.Backend.IsMeta)
        {
            long[] chosen = [.. new TorchRandom(config.RandomSeed is { } seed ? (ulong)seed : TorchRandom.DefaultSeed).Permutation(all, n)
                .Order()];
            Take([.. chosen.Select(i => (int)(i / layer.Inputs)), .. chosen.Select(i => (int)(i % layer.Inputs))]);
        }
    }

    public override IEnumerable<AdapterParameter> Parameters => [new("", "shira_weight.{0}", "shira_weight", _weight)];

    public override IEnumerable<SavedEntry> Entries(string path)
    {
        string name = AdapterParameter.Prefix + path + ".shira_indices";
        return [.. base.Entries(path), new SavedEntry(name, () => ModelWriter.ToFile(name, _indices), Check, entry => Take(Read(entry)))];
    }

    public override void Free()
    {
        _pattern.Rows.Dispose();
        _pattern.Columns.Dispose();
    }

    protected override Tensor Delta(Tensor x, Tensor weight) => x.SparseLinear(_weight.Value, _pattern);

    /// <summary>Sets the places of the entries: all rows, then all columns, (2, n).</summary>
    private void Take(int[] indices)
    {
        int[] rows = indices[..(indices.Length / 2)], columns = indices[(indices.Length / 2)..];
        _indices.Upload(indices);
        _pattern.Sort(rows, columns);
    }

    private static int[] Read(WeightEntry entry) => entry.DType == "I32"
        ? entry.ToArray<int>()
        : Array.ConvertAll(entry.ToArray<float>(), x => (int)x); // Files written on Windows have F32.

    private void Check(WeightEntry entry)
    {
        int n = (int)_weight.Shape.Count;
        if (entry.DType is not ("I32" or "F32") || !entry.Shape.AsSpan().SequenceEqual([2L, n]))
        {
            throw entry.Error(
                $"is {entry.DType} of shape ({string.Join(", ", entry.Shape)}), but the configuration makes it I32 of (2, {n})");
        }
        int[] indices = Read(entry);
        if (indices.Take(n).Any(row => row < 0 || row >= _pattern.Outputs) || indices.Skip(n)
            .Any(column => column < 0 || column >= _pattern.Inputs))
        {
            throw entry.Error($"names weights outside of ({_pattern.Outputs}, {_pattern.Inputs})");
        }
    }
}
