using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharpPeer;

/// <summary>T5 (transformers' T5ForConditionalGeneration, feed-forward network with ReLU), with LoRA on q and v of every attention and no
/// dropout.</summary>
internal sealed class T5Peer : IPeer
{
    private readonly int _hidden;
    private readonly int _heads;
    private readonly int _headDim;
    private readonly int _buckets;
    private readonly int _furthest;
    private readonly float _epsilon;
    private readonly Tensor _table;
    private readonly Stack _encoder;
    private readonly Stack _decoder;
    private readonly Dictionary<(bool, long), Tensor> _biases = [];

    public T5Peer(JsonElement config, Weights weights, int rank)
    {
        if (config.GetProperty("feed_forward_proj").GetString() != "relu")
        {
            throw new NotSupportedException("a T5 with a gated feed-forward network is not written here");
        }
        _hidden = config.GetProperty("d_model").GetInt32();
        _heads = config.GetProperty("num_heads").GetInt32();
        _headDim = config.GetProperty("d_kv").GetInt32();
        _buckets = config.GetProperty("relative_attention_num_buckets").GetInt32();
        _furthest = config.GetProperty("relative_attention_max_distance").GetInt32();
        _epsilon = config.GetProperty("layer_norm_epsilon").GetSingle();
        int inner = config.GetProperty("d_ff").GetInt32(), width = _heads * _headDim;
        Vocabulary = config.GetProperty("vocab_size").GetInt32();
        _table = weights.Frozen("shared.weight", Vocabulary, _hidden);
        _encoder = StackOf("encoder", config.GetProperty("num_layers").GetInt32(), false);
        _decoder = StackOf("decoder", config.GetProperty("num_decoder_layers").GetInt32(), true);

        Stack StackOf(string name, int blocks, bool decoder) => new(
            [.. Enumerable.Range(0, blocks).Select(i => BlockOf($"{name}.block.{i}.layer.", decoder))],
            weights.Frozen($"{name}.block.0.layer.0.SelfAttention.relative_attention_bias.weight", _buckets, _heads),
            weights.Gain(name + ".final_layer_norm.weight", _hidden));
        Block BlockOf(string name, bool decoder) => new(AttentionOf(name + "0.SelfAttention."),
            weights.Gain(name + "0.layer_norm.weight", _hidden), decoder ? AttentionOf(name + "1.EncDecAttention.") : null,
            decoder ? weights.Gain(name + "1.layer_norm.weight", _hidden) : null,
            new LoraLinear(weights, name + (decoder ? "2" : "1") + ".DenseReluDense.wi", _hidden, inner, bias: false),
            new LoraLinear(weights, name + (decoder ? "2" : "1") + ".DenseReluDense.wo", inner, _hidden, bias: false),
            weights.Gain(name + (decoder ? "2" : "1") + ".layer_norm.weight", _hidden));
        Attention AttentionOf(string name) => new(new LoraLinear(weights, name + "q", _hidden, width, bias: false, rank),
            new LoraLinear(weights, name + "k", _hidden, width, bias: false),
            new LoraLinear(weights, name + "v", _hidden, width, bias: false, rank),
            new LoraLinear(weights, name + "o", width, _hidden, bias: false));
    }

    public int Vocabulary { get; }

    public int Labels => 0;

    public Tensor Loss(PeerBatch batch)
    {
        long rows = batch.Inputs.shape[0], source = batch.Inputs.shape[1], target = batch.Labels.shape[1];
        var bias = Bias(decoder: false, source);
        var x = Run(_encoder, Embedded(batch.Inputs), null, batch.Mask is null ? bias : bias + batch.Mask, rows, source);
        var written = cat([zeros([rows, 1], ScalarType.Int64), batch.Labels.slice(1, 0, target - 1, 1).clamp_min(0)], 1);
        var y = Run(_decoder, Embedded(written), x, Bias(decoder: true, target), rows, target, batch.Mask);
        return functional.cross_entropy(functional.linear(y.mul_(1 / MathF.Sqrt(_hidden)), _table), batch.Labels.view(-1));

        Tensor Embedded(Tensor ids) => _table.index_select(0, ids.reshape(-1));
    }

    private Tensor Run(Stack stack, Tensor x, Tensor? states, Tensor bias, long rows, long length, Tensor? mask = null)
    {
        foreach (var block in stack.Blocks)
        {
            var n = Normalized(x, block.Norm);
            x = Attend(block.Self, n, n, bias).add_(x);
            if (block.Cross is not null)
            {
                x = Attend(block.Cross, Normalized(x, block.CrossNorm!), states!, mask).add_(x);
            }
            x = block.Down.Forward(functional.relu(block.Up.Forward(Normalized(x, block.InnerNorm)), inplace: true)).add_(x);
        }
        return Normalized(x, stack.FinalNorm);

        Tensor Attend(Attention a, Tensor queries, Tensor keys, Tensor? scores)
        {
            // T5 does not divide scores by √D; the function does, so the queries are multiplied.
            var o = functional.scaled_dot_product_attention(Heads(a.Query.Forward(queries).mul_(MathF.Sqrt(_headDim))),
                Heads(a.Key.Forward(keys)), Heads(a.Value.Forward(keys)), scores);
            return a.Output.Forward(o.transpose(1, 2).reshape(-1, _heads * _headDim));
        }
        Tensor Heads(Tensor t) => t.view(rows, -1, _heads, _headDim).transpose(1, 2); // (B, H, T, D)
    }

    private Tensor Normalized(Tensor x, Tensor gain) => x * rsqrt(x.square().mean([-1], keepdim: true).add_(_epsilon)) * gain;

    /// <summary>The biases of a stack, with its causal mask, (1, heads, queries, keys). The table is frozen, so they are computed
    /// once.</summary>
    private Tensor Bias(bool decoder, long length)
    {
        if (_biases.TryGetValue((decoder, length), out var found))
        {
            return found;
        }
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var positions = arange(length, ScalarType.Int64);
        var distance = positions.unsqueeze(0) - positions.unsqueeze(1); // key − query
        int buckets = decoder ? _buckets : _buckets / 2, exact = buckets / 2;
        var apart = decoder ? (-distance).clamp_min(0) : distance.abs();
        var far = (exact + ((apart.to(ScalarType.Float32) / exact).log() / Math.Log((double)_furthest / exact) * (buckets - exact))
            .to(ScalarType.Int64)).clamp_max(buckets - 1);
        var bucket = where(apart < exact, apart, far);
        if (!decoder)
        {
            bucket += (distance > 0).to(ScalarType.Int64) * buckets;
        }
        var bias = (decoder ? _decoder : _encoder).RelativeBias.index_select(0, bucket.view(-1)).view(length, length, _heads)
            .permute(2, 0, 1).unsqueeze(0).contiguous();
        if (decoder)
        {
            bias = bias.masked_fill(distance > 0, float.NegativeInfinity);
        }
        return _biases[(decoder, length)] = bias.DetachFromDisposeScope();
    }

    private sealed record Attention(LoraLinear Query, LoraLinear Key, LoraLinear Value, LoraLinear Output);

    private sealed record Block(Attention Self, Tensor Norm, Attention? Cross, Tensor? CrossNorm, LoraLinear Up, LoraLinear Down,
        Tensor InnerNorm);

    private sealed record Stack(Block[] Blocks, Tensor RelativeBias, Tensor FinalNorm);
}
