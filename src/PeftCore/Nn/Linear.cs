using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>y = x·Wᵀ + b, with W stored (out, in), or (in, out) as GPT-2's Conv1D has it.</summary>
public sealed class Linear : Layer
{
    /// <summary>Declares the layer.</summary>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Columns of y.</param>
    /// <param name="bias">Whether there is a b.</param>
    /// <param name="transposed">W is stored (in, out).</param>
    public Linear(int inputs, int outputs, bool bias = false, bool transposed = false)
    {
        (Inputs, Outputs, Transposed) = (inputs, outputs, transposed);
        Add("weight", new Parameter(transposed ? [inputs, outputs] : [outputs, inputs]));
        if (bias)
        {
            Add("bias", new Parameter([outputs]));
        }
    }

    /// <summary>Columns of x.</summary>
    public int Inputs { get; }

    /// <summary>Columns of y.</summary>
    public int Outputs { get; }

    /// <summary>Whether the weight is stored (in, out): "fan_in_fan_out".</summary>
    public bool Transposed { get; }

    /// <summary>The matrix.</summary>
    public Parameter Weight => OwnParameter("weight")!;

    /// <summary>The bias; null without one.</summary>
    public Parameter? Bias => OwnParameter("bias");

    /// <summary>Uses another layer's parameter as weight from now on (tied embeddings).</summary>
    internal void Tie(Parameter weight) => Exchange("weight", weight).Dispose();

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) => x.Linear(Weight.Value, Bias?.Value, Transposed);
}
