using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Trainable tokens (as in Hugging Face PEFT) on one token table: some rows are replaced by trained ones; despite its name in
/// files, the "delta" is the whole new row. Embedding: y = keep[x]∘E[x] + pick[x]·rows with one-hot pick. Head: logits of the tokens
/// replaced by x·rowsᵀ.</summary>
internal sealed class TrainableTokenRows : LayerAdapter
{
    private readonly Layer _layer;
    private readonly IReadOnlyList<int> _tokens;
    private readonly Parameter _rows;
    private readonly TokenNames _names;
    private readonly bool _owner;
    private readonly Tensor _keepMask;
    private readonly Tensor _selection;

    /// <summary>The adapter of an embedding, or of a head that is tied to it and shares its rows.</summary>
    /// <param name="layer">The embedding or the head.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="rows">Their rows, (tokens, dim).</param>
    /// <param name="names">The method's names for them.</param>
    /// <param name="owner">Whether this is the embedding: the one that saves the rows.</param>
    public TrainableTokenRows(Layer layer, IReadOnlyList<int> tokens, Parameter rows, TokenNames names, bool owner)
    {
        (_layer, _tokens, _rows, _names, _owner) = (layer, tokens, rows, names, owner);
        int vocabulary = Weight.Shape[0];
        float[] keep = new float[vocabulary];
        float[] pick = new float[vocabulary * tokens.Count];
        Array.Fill(keep, 1);
        for (int i = 0; i < tokens.Count; i++)
        {
            keep[tokens[i]] = 0;
            pick[tokens[i] * tokens.Count + i] = 1;
        }
        var backend = rows.Value.Backend;
        _keepMask = backend.From(keep, [vocabulary, 1], MemoryKind.Frozen).Keep();
        _selection = backend.From(pick, [vocabulary, tokens.Count], MemoryKind.Frozen).Keep();
    }

    public override IEnumerable<AdapterParameter> Parameters => _owner ? [Named("")] : [];

    /// <summary>A head that shares the rows reads nothing from a file, even if the file holds the rows once more.</summary>
    public override IEnumerable<SavedEntry> Entries(string path) => _owner ? [SavedEntry.Of(Named(path))]
        : _names.SavesTied ? [SavedEntry.Of(Named(path)) with { Optional = true }] : [];

    private AdapterParameter Named(string path) => new(path, _names.Suffix + ".{0}", _names.Suffix, _rows);

    private Parameter Weight => _layer.OwnParameter("weight")!;

    public override Tensor Forward(Tensor x) => AddTo(x, _layer.Compute(x));

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        if (_layer is Embedding)
        {
            var picked = _selection.Rows(x); // (…, tokens): one-hot where a token is replaced
            var kept = y.MultiplyColumn(_keepMask.Rows(x).Cast(DType.F32));
            return scope.Return(kept + picked.Reshape([(int)x.Count, _tokens.Count]).MatMul(_rows.Value).Reshape(y.Shape));
        }
        var logits = x.Linear(_rows.Value).Linear(_selection); // the replaced tokens' logits, in their columns
        return scope.Return(y.MultiplyRow(_keepMask.Reshape([(int)_keepMask.Count])) + logits);
    }

    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain)
    {
        for (int i = 0; i < _tokens.Count; i++)
        {
            Shape row = [1, weight.Shape.Columns];
            weight.Backend.Copy(_rows.Value.View(row, (long)i * row.Columns), weight.View(row, (long)_tokens[i] * row.Columns));
        }
        return false;
    }

    public override void Free()
    {
        _keepMask.Dispose();
        _selection.Dispose();
    }
}
