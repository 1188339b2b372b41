using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Two linear layers with an activation between them, over the waves of a step (<see cref="TimeWaves"/>) or a vector:
/// W₂·σ(W₁·x + b₁) + b₂.</summary>
internal sealed class TimeEmbedding : Module
{
    private readonly Linear _first;
    private readonly Linear _second;
    private readonly Func<Tensor, Tensor> _activation;

    /// <summary>Declares the layers.</summary>
    /// <param name="inputs">Columns of the input.</param>
    /// <param name="outputs">Columns of the embedding.</param>
    /// <param name="activation">Name of σ.</param>
    public TimeEmbedding(int inputs, int outputs, string activation)
    {
        _activation = Activations.Apply(activation);
        _first = Add("linear_1", new Linear(inputs, outputs, bias: true));
        _second = Add("linear_2", new Linear(outputs, outputs, bias: true));
    }

    /// <summary>Runs the layers.</summary>
    /// <param name="x">(B, inputs)</param>
    /// <returns>(B, outputs)</returns>
    public Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope(Name);
        return scope.Return(_second.Forward(_activation(_first.Forward(x))));
    }
}
