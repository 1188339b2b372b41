using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>The saved tensors of an <see cref="AutogradFunction"/>, and which inputs need gradients.</summary>
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

    /// <summary>Whether an input needs a gradient. Save only tensors that the gradients of such inputs use.</summary>
    /// <param name="input">Index of the input among the arguments.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such input.</exception>
    public bool NeedsInputGrad(int input) => (uint)input < (uint)_needsGrad.Length ? _needsGrad[input]
        : throw new ArgumentOutOfRangeException(nameof(input), input, $"the op has {_needsGrad.Length} inputs");

    /// <summary>Saves a tensor for the backward pass; called in the forward pass. Nothing is saved if no input needs a gradient.</summary>
    /// <param name="name">Its symbol in the op's equation, such as "x".</param>
    /// <param name="tensor">An input, an output, or anything computed from them.</param>
    /// <exception cref="ArgumentException">A tensor was saved under this name before.</exception>
    public void Save(string name, Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(tensor);
        if (!_saved.TryAdd(name, tensor))
        {
            throw new ArgumentException($"a tensor was saved as \"{name}\" before; give each its own name", nameof(name));
        }
    }

    /// <summary>Returns a tensor saved by <see cref="Save"/>; called in the backward pass.</summary>
    /// <exception cref="ArgumentException">Nothing was saved under this name.</exception>
    public Tensor Saved(string name) => _saved.TryGetValue(name, out var tensor) ? tensor
        : throw new ArgumentException($"nothing was saved as \"{name}\"; saved: {string.Join(", ", _saved.Keys)}");

    /// <summary>Replaces each tensor by the node's own handle.</summary>
    internal void KeepIn(Func<string, Tensor, Tensor> node)
    {
        foreach (var (name, tensor) in _saved.ToArray())
        {
            _saved[name] = node(name, tensor);
        }
    }
}
