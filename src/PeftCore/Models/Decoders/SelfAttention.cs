using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Causal self-attention with grouped key heads (Ainslie et al. 2023): o(softmax(scale·q·kᵀ + mask)·v), with the positions, norms
/// and projections that the spec names.</summary>
internal sealed class SelfAttention : TokenMixer
{
    // The tables of a model with short sequences do not grow token by token.
    private const int FirstTableRows = 512;

    private const int DropoutSite = 2; // after the two of DecoderBlock

    private readonly DecoderSpec _spec;
    private readonly int _index;
    private readonly DecoderPositions _positions;
    private readonly float _scale;
    private readonly Linear[] _qkv;
    private readonly Linear _output;
    private readonly Layer? _queryNorm;
    private readonly Layer? _keyNorm;

    /// <summary>Declares the attention of block <paramref name="index"/>.</summary>
    public SelfAttention(DecoderSpec spec, int index, DecoderPositions positions)
    {
        (_spec, _index, _positions) = (spec, index, positions);
        _scale = spec.AttentionScale?[index] ?? 1 / MathF.Sqrt(spec.HeadDim);
        var names = spec.Names;
        int queries = spec.Heads * spec.HeadDim, keys = spec.KeyHeads * spec.HeadDim;
        _qkv = names.Qkv is { } fused ? [Project(fused, queries + 2 * keys)]
            : [Project(names.Query, spec.AttentionGate ? 2 * queries : queries), Project(names.Key, keys), Project(names.Value, keys)];
        _output = Add(names.Output, new Linear(queries, spec.HiddenSize, spec.OutputBias, spec.TransposedWeights));
        if (spec.QkNorm != QkNorm.None)
        {
            _queryNorm = Add(names.QueryNorm, NormOf(spec.Heads));
            _keyNorm = Add(names.KeyNorm, NormOf(spec.KeyHeads));
        }

        if (spec.AttentionSinks)
        {
            Add("sinks", new Parameter([spec.Heads]));
        }

        Linear Project(string name, int columns) =>
            Add(name, new Linear(spec.HiddenSize, columns, spec.QkvBias, spec.TransposedWeights));
    }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x, ModelInputs inputs) // (B, T, C)
    {
        using var scope = new TensorScope(Name);
        var (q, k, v) = _qkv.Length == 1 ? InFused(_qkv[0].Forward(x)) : Separate(Linear.ForwardFused(x, _qkv));
        var gate = _spec.AttentionGate ? (q with { Offset = q.Dim }).Gather() : null;
        q = Normalize(q, _queryNorm);
        k = Normalize(k, _keyNorm);
        if (_positions.RotaryOf(_index) is { } rotary)
        {
            int rows = Math.Max(inputs.LongestToCome, Math.Min(_spec.MaxLength, FirstTableRows));
            var tables = rotary.Tables(x.Backend, rows, inputs.Longest);
            bool oneTensor = ReferenceEquals(q.Tensor, k.Tensor);
            q = q.On(q.Rope(tables, inputs.Positions));
            k = k.On((oneTensor ? k.On(q.Tensor) : k).Rope(tables, inputs.Positions));
            if (oneTensor)
            {
                (q, v) = (q.On(k.Tensor), v.On(k.Tensor));
            }
        }
        if (_spec.QueryGrowth is { } growth && inputs.Longest > growth.Length)
        {
            q = new Heads(q.Gather().MultiplyColumn(inputs.QueryGrowth(growth)), q.Count, q.Dim);
        }
        var options = new SelfAttentionOptions(_scale, _spec.Windows[_index], _spec.AttentionSoftCap, _positions.Slopes(x.Backend),
            Sinks: OwnParameter("sinks")?.Value.Cast(DType.F32),
            Dropout: LayerDropout.OfBase(Mode, _spec.ProbabilityDropout, _index, DropoutSite).Now);
        var o = inputs.Attend(_index, q, k, v, options); // (B, T, H·D)
        return scope.Return(_output.Forward(gate is null ? o : gate.Gate<Sigmoid>(o)));
    }

    private Layer NormOf(int heads) => _spec.QkNorm switch
    {
        QkNorm.WholeProjection => _spec.Norm.Create(heads * _spec.HeadDim, _spec.Epsilon),
        QkNorm.HeadWeights => new HeadNorm(heads, _spec.HeadDim, _spec.Epsilon),
        QkNorm.HeadModules => new HeadNormList(heads, _spec.HeadDim, _spec.Epsilon),
        _ => _spec.Norm.Create(_spec.HeadDim, _spec.Epsilon),
    };

    private Heads Normalize(Heads heads, Layer? norm)
    {
        if (norm is null)
        {
            return heads;
        }
        var t = heads.Gather(); // (B, T, heads·D)
        var y = _spec.QkNorm == QkNorm.PerHead
            ? norm.Forward(t.Reshape([(int)(t.Count / heads.Dim), heads.Dim])).Reshape(t.Shape) : norm.Forward(t);
        return new Heads(y, heads.Count, heads.Dim);
    }

    private (Heads Q, Heads K, Heads V) Separate(Tensor[] qkv) => (
        new Heads(qkv[0], _spec.Heads, _spec.HeadDim, 0, _spec.AttentionGate ? 2 * _spec.HeadDim : 0),
        new Heads(qkv[1], _spec.KeyHeads, _spec.HeadDim), new Heads(qkv[2], _spec.KeyHeads, _spec.HeadDim));

    /// <summary>q, k and v inside the fused projection.</summary>
    private (Heads Q, Heads K, Heads V) InFused(Tensor qkv)
    {
        int d = _spec.HeadDim, perKey = _spec.Heads / _spec.KeyHeads;
        if (!_spec.QkvPerKeyHead || _spec.KeyHeads == 1)
        {
            int queries = _spec.Heads * d, keys = _spec.KeyHeads * d;
            return (new Heads(qkv, _spec.Heads, d), new Heads(qkv, _spec.KeyHeads, d, queries),
                new Heads(qkv, _spec.KeyHeads, d, queries + keys));
        }
        int group = (perKey + 2) * d; // The columns of one key head: its queries, its key, its value.
        var (k, v) = (new Heads(qkv, _spec.KeyHeads, d, perKey * d, group), new Heads(qkv, _spec.KeyHeads, d, (perKey + 1) * d, group));
        if (perKey == 1)
        {
            return (new Heads(qkv, _spec.Heads, d, 0, group), k, v);
        }
        // The query heads of all groups have no common stride: they are copied, taking each group's as one wide head.
        var q = new Heads(qkv, _spec.KeyHeads, perKey * d, 0, group).Gather();
        return (new Heads(q, _spec.Heads, d), k, v);
    }
}
