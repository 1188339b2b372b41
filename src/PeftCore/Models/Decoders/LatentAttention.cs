using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Sizes of multi-head latent attention.</summary>
/// <param name="QueryRank">Size of the queries' latent vector; null if queries have a projection of full rank.</param>
/// <param name="KeyRank">Size of the latent vector of keys and values.</param>
/// <param name="NopeDim">Columns of a query's or key's head without positions.</param>
/// <param name="RopeDim">Columns of a head with rotary positions; their key is one for all heads.</param>
/// <param name="ValueDim">Columns of a value's head.</param>
internal sealed record LatentSpec(int? QueryRank, int KeyRank, int NopeDim, int RopeDim, int ValueDim)
{
    /// <summary>Reads the sizes.</summary>
    public static LatentSpec Read(ConfigReader config)
    {
        const int Most = DecoderFields.MostColumns;
        int? rank = config.Names.Contains("q_lora_rank") ? config.IntOrNull("q_lora_rank", min: 1, max: Most) : 1536;
        return new LatentSpec(rank, config.Int("kv_lora_rank", 512, min: 1, max: Most),
            config.Int("qk_nope_head_dim", 128, min: 1, max: Most), config.Int("qk_rope_head_dim", 64, min: 2, max: Most),
            config.Int("v_head_dim", 128, min: 1, max: Most));
    }

    /// <summary>The factor of q·k: 1/√(columns of a head), times the square of yarn's growth if mscale_all_dim is given (Peng et al. 2023,
    /// "YaRN").</summary>
    public float Scale(ConfigReader config)
    {
        double scale = 1 / Math.Sqrt(NopeDim + RopeDim);
        var old = config.ObjectOrNull("rope_scaling") is { } o && o.Names.Any() ? o : null;
        if ((old ?? config.ObjectOrNull("rope_parameters")) is { } rope
            && (rope.StringOrNull("rope_type") ?? rope.StringOrNull("type") ?? "default") != "default"
            && rope.Float("mscale_all_dim", 0) is var all && all != 0 && rope.Float("factor", min: 1) is var factor && factor > 1)
        {
            double growth = 0.1 * all * Math.Log(factor) + 1;
            scale *= growth * growth;
        }
        return (float)scale;
    }
}

/// <summary>Multi-head latent attention (DeepSeek-AI 2024, "DeepSeek-V2"): keys and values come from one small latent vector of each token,
/// and the columns of the keys that have rotary positions are the same for all heads.</summary>
internal sealed class LatentAttention : TokenMixer
{
    private const float LatentEpsilon = 1e-6f; // of the latent norms, whatever the model's own is
    private const int FirstTableRows = 512;

    private readonly DecoderSpec _spec;
    private readonly LatentSpec _latent;
    private readonly int _index;
    private readonly Rotary _rotary;
    private readonly Linear? _query;
    private readonly Linear? _queryDown;
    private readonly Layer? _queryNorm;
    private readonly Linear? _queryUp;
    private readonly Linear _keyDown;
    private readonly Layer _keyNorm;
    private readonly Linear _keyUp;
    private readonly Linear _output;

    /// <summary>Declares the attention of block <paramref name="index"/>.</summary>
    public LatentAttention(DecoderSpec spec, LatentSpec latent, int index, DecoderPositions positions)
    {
        (_spec, _latent, _index) = (spec, latent, index);
        _rotary = positions.RotaryOf(index)!;
        int queries = spec.Heads * spec.HeadDim, keyColumns = spec.Heads * (latent.NopeDim + latent.ValueDim);
        if (latent.QueryRank is { } rank)
        {
            _queryDown = Add("q_a_proj", new Linear(spec.HiddenSize, rank, spec.QkvBias));
            _queryNorm = Add("q_a_layernorm", spec.Norm.Create(rank, LatentEpsilon));
            _queryUp = Add("q_b_proj", new Linear(rank, queries));
        }
        else
        {
            _query = Add("q_proj", new Linear(spec.HiddenSize, queries));
        }
        _keyDown = Add("kv_a_proj_with_mqa", new Linear(spec.HiddenSize, latent.KeyRank + latent.RopeDim, spec.QkvBias));
        _keyNorm = Add("kv_a_layernorm", spec.Norm.Create(latent.KeyRank, LatentEpsilon));
        _keyUp = Add("kv_b_proj", new Linear(latent.KeyRank, keyColumns));
        _output = Add("o_proj", new Linear(spec.Heads * latent.ValueDim, spec.HiddenSize, spec.OutputBias));
    }

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x, ModelInputs inputs) // (B, T, C)
    {
        using var scope = new TensorScope(Name);
        int heads = _spec.Heads, nope = _latent.NopeDim, rope = _latent.RopeDim;
        var tables = _rotary.Tables(x.Backend, Math.Max(inputs.LongestToCome, Math.Min(_spec.MaxLength, FirstTableRows)), inputs.Longest);
        var q = _query is not null ? _query.Forward(x) : _queryUp!.Forward(_queryNorm!.Forward(_queryDown!.Forward(x))); // (B, T, H·D)
        q = new Heads(q, heads, rope, nope, nope + rope).Rope(tables, inputs.Positions);
        var latent = _keyDown.Forward(x); // (B, T, rank + rope)
        var turned = new Heads(latent.Columns(_latent.KeyRank, rope), 1, rope).Rope(tables, inputs.Positions); // (B, T, rope)
        var kv = _keyUp.Forward(_keyNorm.Forward(latent.Columns(0, _latent.KeyRank))); // (B, T, H·(nope + Dv))
        var k = Keys(new Heads(kv, heads, nope, 0, nope + _latent.ValueDim).Gather(), turned);
        var v = new Heads(kv, heads, _latent.ValueDim, nope, nope + _latent.ValueDim);
        var o = inputs.Attend(_index, new Heads(q, heads, nope + rope), new Heads(k, heads, nope + rope), v,
            new SelfAttentionOptions(_spec.AttentionScale![_index]));
        return scope.Return(_output.Forward(o));
    }

    /// <summary>Each head's key: its own columns, then the turned ones of all heads.</summary>
    /// <param name="own">(B, T, H·nope)</param>
    /// <param name="turned">(B, T, rope)</param>
    /// <returns>(B, T, H·(nope + rope))</returns>
    private Tensor Keys(Tensor own, Tensor turned)
    {
        int rows = own.Shape.Rows, heads = _spec.Heads, rope = _latent.RopeDim;
        // Repeated for each head: (H, 1)·(1, rope) for each token, with ones.
        var repeated = new BatchedProduct(rows, heads, 1, rope, new(0, 1, 1), new(rope, rope, 1), new(heads * rope, rope, 1));
        var ones = own.Backend.NewTensor([heads]);
        ones.Backend.Fill(ones, 1);
        var all = ones.MatMulBatched(turned.Cast(DType.F32), repeated, [rows * heads, rope]).Cast(own.DType);
        return own.Reshape([rows * heads, _latent.NopeDim]).ConcatColumns(all)
            .Reshape(own.Shape.WithColumns(heads * (_latent.NopeDim + rope)));
    }
}
