using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Sparse;

/// <summary>A sparse update of one linear layer (Ansell et al. 2022; Sung et al. 2021): y = x·(W + S)ᵀ + b with S ≠ 0 at chosen entries
/// only. ∂L/∂S[o, i] is the dot product of column o of dy and column i of x. The dense gradient of W is formed only in rounds that replace
/// entries, a few rows at a time.</summary>
internal sealed class SparseAdapter : LayerAdapter
{
    private readonly Parameter _values;
    private readonly SparsePattern _pattern;

    /// <param name="context">Creates the parameter.</param>
    /// <param name="path">The layer's path.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="entries">Flat indices in the weight's own layout, sorted.</param>
    public SparseAdapter(AttachContext context, string path, Linear layer, int[] entries)
    {
        (Path, Layer, Places) = (path, layer, entries);
        _values = context.NewParameter([entries.Length]);
        context.Backend.Zero(_values.Value);
        _pattern = new SparsePattern(layer.Outputs, layer.Inputs, context.NewConstant([entries.Length], DType.I32),
            context.NewConstant([entries.Length], DType.I32),
            CsrIndex.NewIndex(context, layer.Outputs, entries.Length), CsrIndex.NewIndex(context, layer.Inputs, entries.Length));
        Move(entries);
    }

    public string Path { get; }

    public Linear Layer { get; }

    /// <summary>Flat indices of the entries in the weight's own layout, sorted.</summary>
    public int[] Places { get; private set; }

    public Parameter Values => _values;

    /// <summary>Observer of the gradient of the whole weight, a few rows at a time; null except in a refinement round.</summary>
    public IWeightGradientObserver? Observer { get; set; }

    public override IEnumerable<AdapterParameter> Parameters => [new("", SparseFiles.Values + ".{0}", SparseFiles.Values, _values)];

    public override IEnumerable<SavedEntry> Entries(string path) => [.. base.Entries(path), SparseFiles.Entry(path, this)];

    public override Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        var y = Observer is null ? Layer.Compute(x) : x.ObservedLinear(Layer.Weight.Value, Layer.Bias?.Value, Layer.Transposed,
            _values.Value, Observer);
        return scope.Return(AddTo(x, y));
    }

    public override Tensor AddTo(Tensor x, Tensor y) => y + x.SparseLinear(_values.Value, _pattern);

    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain)
    {
        using var scope = new TensorScope();
        var places = weight.Backend.From(Places, [Places.Length]);
        weight.Backend.ScatterAdd(places, _values.Value.View([Places.Length, 1]), weight.View([(int)weight.Count, 1]));
        return false;
    }

    /// <summary>Replaces the indices by as many new ones; the values keep their order.</summary>
    public void Move(int[] entries)
    {
        Places = entries;
        int[] major = Array.ConvertAll(entries, entry => entry / Layer.Weight.Shape[1]),
            minor = Array.ConvertAll(entries, entry => entry % Layer.Weight.Shape[1]);
        var (rows, columns) = Layer.Transposed ? (minor, major) : (major, minor);
        _pattern.Rows.Upload(rows);
        _pattern.Columns.Upload(columns);
        _pattern.Sort(rows, columns);
    }
}
