using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharpPeer;

/// <summary>BERT for sequence classification (transformers' BertForSequenceClassification), with LoRA on query and value, a classifier that
/// trains, and no dropout.</summary>
internal sealed class BertPeer : IPeer
{
    private readonly int _hidden;
    private readonly int _heads;
    private readonly double _epsilon;
    private readonly Tensor _words;
    private readonly Tensor _positions;
    private readonly Tensor _types;
    private readonly Norm _norm;
    private readonly Block[] _blocks;
    private readonly LoraLinear _pooler;
    private readonly Tensor _classifier;
    private readonly Tensor _classifierBias;

    public BertPeer(JsonElement config, Weights weights, int rank)
    {
        _hidden = config.GetProperty("hidden_size").GetInt32();
        _heads = config.GetProperty("num_attention_heads").GetInt32();
        _epsilon = config.GetProperty("layer_norm_eps").GetDouble();
        int inner = config.GetProperty("intermediate_size").GetInt32(), labels = config.GetProperty("id2label").EnumerateObject().Count();
        (Vocabulary, Labels) = (config.GetProperty("vocab_size").GetInt32(), labels);
        _words = weights.Frozen("bert.embeddings.word_embeddings.weight", Vocabulary, _hidden);
        _positions = weights.Frozen("bert.embeddings.position_embeddings.weight",
            config.GetProperty("max_position_embeddings").GetInt32(), _hidden);
        _types = weights.Frozen("bert.embeddings.token_type_embeddings.weight", config.GetProperty("type_vocab_size").GetInt32(), _hidden);
        _norm = NormOf("bert.embeddings.LayerNorm");
        _blocks = [.. Enumerable.Range(0, config.GetProperty("num_hidden_layers").GetInt32())
            .Select(i => BlockOf($"bert.encoder.layer.{i}."))];
        _pooler = new LoraLinear(weights, "bert.pooler.dense", _hidden, _hidden, bias: true);
        _classifier = weights.Trainable("base_model.model.classifier.weight", zero: false, labels, _hidden);
        _classifierBias = weights.Trainable("base_model.model.classifier.bias", zero: true, labels);

        Block BlockOf(string name) => new(
            Query: new LoraLinear(weights, name + "attention.self.query", _hidden, _hidden, bias: true, rank),
            Key: new LoraLinear(weights, name + "attention.self.key", _hidden, _hidden, bias: true),
            Value: new LoraLinear(weights, name + "attention.self.value", _hidden, _hidden, bias: true, rank),
            Output: new LoraLinear(weights, name + "attention.output.dense", _hidden, _hidden, bias: true),
            AttentionNorm: NormOf(name + "attention.output.LayerNorm"),
            Up: new LoraLinear(weights, name + "intermediate.dense", _hidden, inner, bias: true),
            Down: new LoraLinear(weights, name + "output.dense", inner, _hidden, bias: true),
            OutputNorm: NormOf(name + "output.LayerNorm"));
        Norm NormOf(string name) => new(weights.Gain(name + ".weight", _hidden), weights.Frozen(name + ".bias", _hidden));
    }

    public int Vocabulary { get; }

    public int Labels { get; }

    public Tensor Loss(PeerBatch batch)
    {
        long rows = batch.Inputs.shape[0], length = batch.Inputs.shape[1];
        var x = _words.index_select(0, batch.Inputs.view(-1)).view(rows, length, _hidden)
            .add_(_positions.slice(0, 0, length, 1)).add_(_types[0]).view(-1, _hidden);
        x = Normalized(x, _norm); // (B·T, C)
        foreach (var block in _blocks)
        {
            var o = functional.scaled_dot_product_attention(Heads(block.Query.Forward(x)), Heads(block.Key.Forward(x)),
                Heads(block.Value.Forward(x)), batch.Mask);
            x = Normalized(block.Output.Forward(o.transpose(1, 2).reshape(-1, _hidden)).add_(x), block.AttentionNorm);
            x = Normalized(block.Down.Forward(functional.gelu(block.Up.Forward(x))).add_(x), block.OutputNorm);
        }
        var pooled = tanh(_pooler.Forward(x.view(rows, length, _hidden)[.., 0]));
        return functional.cross_entropy(functional.linear(pooled, _classifier, _classifierBias), batch.Labels);

        Tensor Heads(Tensor t) => t.view(rows, length, _heads, -1).transpose(1, 2); // (B, H, T, D)
    }

    private Tensor Normalized(Tensor x, Norm norm) => functional.layer_norm(x, [_hidden], norm.Gain, norm.Bias, _epsilon);

    private sealed record Norm(Tensor Gain, Tensor Bias);

    private sealed record Block(LoraLinear Query, LoraLinear Key, LoraLinear Value, LoraLinear Output, Norm AttentionNorm, LoraLinear Up,
        LoraLinear Down, Norm OutputNorm);
}
