using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>What an <see cref="AutogradFunction"/> carries from its forward to its backward pass.</summary>
public sealed class FunctionContext
{
    private readonly Dictionary<string, Tensor> _saved = new(StringComparer.Ordinal);
    private readonly bool[] _needsGrad;

    internal FunctionContext(ReadOnlySpan<Tensor> inputs)
    {
        _needsGrad = new bool[inputs.Length];
        for (int i = 0; i < inputs.Length; i++)
        {
            _needsGrad[i] = Tape.Needs(inputs[i]);
        }
    }

    /// <summary>Whether an input needs a gradient. Save only what the gradients of such inputs use.</summary>
    /// <param name="input">The input's place among the arguments.</param>
    public bool NeedsInputGrad(int input) => _needsGrad[input];

    /// <summary>Keeps a tensor for the backward pass, in the forward pass. Nothing is kept if no input needs a gradient.</summary>
    /// <param name="name">What it is in the op's equation, such as "x".</param>
    /// <param name="tensor">An input, an output, or anything computed from them.</param>
    public void Save(string name, Tensor tensor) => _saved.Add(name, tensor);

    /// <summary>A tensor kept by <see cref="Save"/>, in the backward pass.</summary>
    /// <exception cref="KeyNotFoundException">Nothing was saved under this name.</exception>
    public Tensor Saved(string name) => _saved.TryGetValue(name, out var tensor) ? tensor
        : throw new KeyNotFoundException($"nothing was saved as \"{name}\"; saved: {string.Join(", ", _saved.Keys)}");

    /// <summary>Replaces each tensor by the handle that the node keeps.</summary>
    internal void KeepIn(Func<string, Tensor, Tensor> node)
    {
        foreach (var (name, tensor) in _saved.ToArray())
        {
            _saved[name] = node(name, tensor);
        }
    }
}
