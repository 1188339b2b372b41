using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Sparse;

/// <summary>y = x·(W + S)ᵀ + b with a sparse S that trains. The gradient of an entry is a product of two columns; the dense gradient of W
/// is never formed, except some rows at a time when other entries are looked for.</summary>
internal sealed class SparseAdapter : LayerAdapter
{
    private readonly Parameter _values;
    private readonly SparsePattern _pattern;

    /// <param name="context">Where its parameter is made.</param>
    /// <param name="path">The layer's path.</param>
    /// <param name="layer">The layer.</param>
    /// <param name="entries">Places in the weight's own layout, rising.</param>
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

    /// <summary>The chosen places.</summary>
    public int[] Places { get; private set; }

    public Parameter Values => _values;

    /// <summary>Who looks at the gradient of the whole weight; null while nobody does.</summary>
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

    /// <summary>Chooses other places, as many as before.</summary>
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
