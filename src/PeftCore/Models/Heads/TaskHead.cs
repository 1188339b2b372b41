using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The head of a model: logits and loss of a task from hidden states. The modules of the head belong to the model, which gives
/// them the names of its weight files.</summary>
internal abstract class TaskHead
{
    /// <summary>The task.</summary>
    public abstract ModelTask Task { get; }

    /// <summary>Uploads what the head reads beside hidden states.</summary>
    public virtual void Upload(ModelInputs inputs) { }

    /// <summary>The logits of the task.</summary>
    /// <param name="hidden">(B, T, C), after the final norm.</param>
    /// <param name="inputs">The inputs.</param>
    public abstract Tensor Logits(Tensor hidden, ModelInputs inputs);

    /// <summary>The loss of the task: the sum over the targets times <see cref="Targets.InverseCount"/>.</summary>
    public virtual Tensor Loss(Tensor hidden, ModelInputs inputs, Targets targets) =>
        Logits(hidden, inputs).CrossEntropy(targets.Tokens, 1).ScaleBy(targets.InverseCount);

    /// <summary>The hidden states of tokens without those of virtual tokens, which come first: (B, P + T, C) to (B, T, C).</summary>
    /// <param name="hidden">(B, P + T, C).</param>
    /// <param name="length">Tokens of a row, T.</param>
    internal static Tensor OfTokens(Tensor hidden, int length)
    {
        int batch = hidden.Shape[0], columns = hidden.Shape[2], places = hidden.Shape[1] - length;
        return places == 0 ? hidden : hidden.Reshape([batch, (places + length) * columns]).Columns(places * columns, length * columns)
            .Reshape([batch, length, columns]);
    }

    /// <summary>The hidden states of the positions that have a target, (targets, C), or all of them.</summary>
    protected static Tensor WithTargets(Tensor hidden, Targets targets) => targets.Rows is { } rows
        ? hidden.Reshape([hidden.Shape.Rows, hidden.Shape.Columns]).Rows(rows) : hidden;
}
