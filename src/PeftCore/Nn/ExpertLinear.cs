using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A linear layer with one matrix for each expert, all of them one parameter whose path is the layer's own, as in transformers 5:
/// "mlp.experts.gate_up_proj". PEFT's target_parameters names it.</summary>
internal sealed class ExpertLinear : Layer
{
    /// <summary>Declares the layer.</summary>
    /// <param name="experts">Experts.</param>
    /// <param name="inputs">Columns of x.</param>
    /// <param name="outputs">Columns of y.</param>
    /// <param name="transposed">Whether the matrices are stored (in, out).</param>
    public ExpertLinear(int experts, int inputs, int outputs, bool transposed = false)
    {
        (Experts, Inputs, Outputs, Transposed) = (experts, inputs, outputs, transposed);
        Add("weight", new Parameter(transposed ? [experts, inputs, outputs] : [experts, outputs, inputs]));
    }

    /// <summary>Experts.</summary>
    public int Experts { get; }

    /// <summary>Columns of x.</summary>
    public int Inputs { get; }

    /// <summary>Columns of y.</summary>
    public int Outputs { get; }

    /// <summary>Whether the matrices are stored (in, out).</summary>
    public bool Transposed { get; }

    /// <summary>The matrices, (experts, out, in) or (experts, in, out).</summary>
    public Parameter Weight => OwnParameter("weight")!;

    internal override string PathOf(string path, string name) => path;

    /// <summary>y[p, :] = x[p, :]·Wₑᵀ + bₑ, with the low-rank updates of adapters.</summary>
    /// <param name="x">(pairs, in), rows sorted by expert.</param>
    /// <param name="routing">The rows of each expert.</param>
    /// <param name="bias">(experts, out), or null.</param>
    /// <returns>(pairs, out)</returns>
    /// <exception cref="BadInputException">The adapters of a mixed batch differ by row.</exception>
    public Tensor Forward(Tensor x, ExpertRouting routing, Tensor? bias)
    {
        using var scope = new TensorScope(Name);
        var updates = (Hook is null ? [] : Hook.LowRankUpdates()) ?? throw new BadInputException(
            $"a mixed batch cannot run adapters of experts (\"{Name}\"), whose rows are those of many tokens; use one adapter a batch");
        return scope.Return(x.RaggedLinear(Weight.Value, bias, Transposed, routing,
            [.. updates.Select(update => new RaggedUpdate(update.A, update.B, update.Scale))]));
    }

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) =>
        throw new NotSupportedException($"{Name} runs on rows sorted by expert: call the overload with a routing");
}
