using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharpPeer;

/// <summary>ViT for image classification (transformers' ViTForImageClassification), with LoRA on the modules that are targets, a classifier
/// that trains unless it has LoRA, and no dropout.</summary>
internal sealed class VitPeer : IPeer
{
    private readonly int _hidden;
    private readonly int _heads;
    private readonly int _patch;
    private readonly double _epsilon;
    private readonly Tensor _projection;
    private readonly Tensor _projectionBias;
    private readonly Tensor _first;
    private readonly Tensor _positions;
    private readonly Block[] _blocks;
    private readonly Norm _norm;
    private readonly LoraLinear _classifier;

    /// <summary>Creates the model.</summary>
    /// <param name="config">Its config.json.</param>
    /// <param name="weights">Its weights; the base has the names of transformers 4, the adapter those of 5.</param>
    /// <param name="rank">Rank of LoRA.</param>
    /// <param name="targets">Paths, or their ends, of the modules with LoRA, in the names of transformers 5.</param>
    public VitPeer(JsonElement config, Weights weights, int rank, IReadOnlyCollection<string> targets)
    {
        _hidden = config.GetProperty("hidden_size").GetInt32();
        _heads = config.GetProperty("num_attention_heads").GetInt32();
        _epsilon = config.GetProperty("layer_norm_eps").GetDouble();
        _patch = config.GetProperty("patch_size").GetInt32();
        Side = config.GetProperty("image_size").GetInt32();
        Labels = config.GetProperty("id2label").EnumerateObject().Count();
        int inner = config.GetProperty("intermediate_size").GetInt32(), patches = Side / _patch * (Side / _patch);
        _projection = weights.Frozen("vit.embeddings.patch_embeddings.projection.weight", _hidden, 3, _patch, _patch);
        _projectionBias = weights.Frozen("vit.embeddings.patch_embeddings.projection.bias", _hidden);
        _first = weights.Frozen("vit.embeddings.cls_token", 1, 1, _hidden);
        _positions = weights.Frozen("vit.embeddings.position_embeddings", 1, patches + 1, _hidden);
        _blocks = [.. Enumerable.Range(0, config.GetProperty("num_hidden_layers").GetInt32()).Select(BlockOf)];
        _norm = NormOf("vit.layernorm");
        _classifier = IsTarget("classifier") ? Linear("classifier", "classifier", _hidden, Labels)
            : LoraLinear.Trained(weights, "classifier", _hidden, Labels);

        Block BlockOf(int i)
        {
            string old = $"vit.encoder.layer.{i}.", path = $"vit.layers.{i}.";
            return new(
                BeforeNorm: NormOf(old + "layernorm_before"),
                Query: Linear(old + "attention.attention.query", path + "attention.q_proj", _hidden, _hidden),
                Key: Linear(old + "attention.attention.key", path + "attention.k_proj", _hidden, _hidden),
                Value: Linear(old + "attention.attention.value", path + "attention.v_proj", _hidden, _hidden),
                Output: Linear(old + "attention.output.dense", path + "attention.o_proj", _hidden, _hidden),
                AfterNorm: NormOf(old + "layernorm_after"),
                Up: Linear(old + "intermediate.dense", path + "mlp.fc1", _hidden, inner),
                Down: Linear(old + "output.dense", path + "mlp.fc2", inner, _hidden));
        }
        LoraLinear Linear(string name, string path, int inputs, int outputs) =>
            new(weights, name, inputs, outputs, bias: true, IsTarget(path) ? rank : 0, adapter: path);
        bool IsTarget(string path) => targets.Any(target => path == target || path.EndsWith("." + target, StringComparison.Ordinal));
        Norm NormOf(string name) => new(weights.Gain(name + ".weight", _hidden), weights.Frozen(name + ".bias", _hidden));
    }

    /// <summary>Rows and columns of pixels.</summary>
    public int Side { get; }

    public int Vocabulary => 0;

    public int Labels { get; }

    public Tensor Loss(PeerBatch batch)
    {
        long rows = batch.Inputs.shape[0];
        var patches = functional.conv2d(batch.Inputs, _projection, _projectionBias, [_patch, _patch]).flatten(2).transpose(1, 2);
        var x = cat([_first.expand(rows, -1, -1), patches], 1).add_(_positions); // (B, T, C)
        long length = x.shape[1];
        x = x.view(-1, _hidden); // (B·T, C)
        foreach (var block in _blocks)
        {
            var n = Normalized(x, block.BeforeNorm);
            var o = functional.scaled_dot_product_attention(Heads(block.Query.Forward(n)), Heads(block.Key.Forward(n)),
                Heads(block.Value.Forward(n)));
            x = block.Output.Forward(o.transpose(1, 2).reshape(-1, _hidden)).add_(x);
            x = block.Down.Forward(functional.gelu(block.Up.Forward(Normalized(x, block.AfterNorm)))).add_(x);
        }
        var pooled = Normalized(x.view(rows, length, _hidden)[.., 0], _norm);
        return functional.cross_entropy(_classifier.Forward(pooled), batch.Labels);

        Tensor Heads(Tensor t) => t.view(rows, length, _heads, -1).transpose(1, 2); // (B, H, T, D)
    }

    private Tensor Normalized(Tensor x, Norm norm) => functional.layer_norm(x, [_hidden], norm.Gain, norm.Bias, _epsilon);

    private sealed record Norm(Tensor Gain, Tensor Bias);

    private sealed record Block(Norm BeforeNorm, LoraLinear Query, LoraLinear Key, LoraLinear Value, LoraLinear Output, Norm AfterNorm,
        LoraLinear Up, LoraLinear Down);
}
