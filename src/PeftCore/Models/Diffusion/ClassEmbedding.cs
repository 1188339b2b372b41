using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Embeds the class of a picture: c, with which a UNet reads the embedding t of the step as t + c, or with class_embeddings_concat
/// as (t, c) side by side.</summary>
internal sealed class ClassEmbedding
{
    private readonly ClassInput _input;
    private readonly bool _concatenates;
    private readonly Func<Tensor, Tensor> _embed;

    private ClassEmbedding(UNetConfig config, Module? module, Func<Tensor, Tensor> embed) =>
        (_input, _concatenates, Module, _embed) = (config.Classes!, config.ConcatenatesClass, module, embed);

    /// <summary>The layers, "class_embedding" in the model; null without parameters.</summary>
    public Module? Module { get; }

    /// <summary>Declares the embedding of a model that reads classes.</summary>
    public static ClassEmbedding Of(UNetConfig config, TimeWaves waves)
    {
        var (kind, size) = config.Classes!;
        switch (kind)
        {
            case ClassEmbeddingKind.Table:
                var table = new Embedding(size, config.TimeChannels);
                return new ClassEmbedding(config, table, table.Forward);
            case ClassEmbeddingKind.Timestep:
                var steps = new TimeEmbedding(waves.Columns, config.TimeChannels, config.Activation);
                return new ClassEmbedding(config, steps, numbers => steps.Forward(waves.Forward(numbers)));
            case ClassEmbeddingKind.Projection:
                var layers = new TimeEmbedding(size, config.TimeChannels, "silu"); // Whatever act_fn is, as in diffusers.
                return new ClassEmbedding(config, layers, layers.Forward);
            case ClassEmbeddingKind.SimpleProjection:
                var linear = new Linear(size, config.TimeChannels, bias: true);
                return new ClassEmbedding(config, linear, linear.Forward);
            default:
                return new ClassEmbedding(config, null, vectors => vectors);
        }
    }

    /// <summary>t and c together.</summary>
    /// <param name="time">(B, T): t.</param>
    /// <param name="inputs">The batch, with its classes.</param>
    /// <returns>(B, T), or (B, 2T)</returns>
    public Tensor Forward(Tensor time, ModelInputs inputs)
    {
        var classes = _embed(_input.IsNumber ? Numbers(inputs, null) : inputs.Dense.Classes!).Cast(time.DType);
        return _concatenates ? time.ConcatColumns(classes) : time + classes;
    }

    /// <summary>The classes as whole numbers, I32 (B), uploaded once.</summary>
    /// <param name="inputs">The batch.</param>
    /// <param name="classes">The classes on the host; null if they are uploaded already.</param>
    public Tensor Numbers(ModelInputs inputs, DenseArray? classes) =>
        inputs.Computed("class labels", [inputs.Batch], () => _input.Numbers(classes!));
}
