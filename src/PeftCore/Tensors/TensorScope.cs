namespace PeftCore.Tensors;

/// <summary>Frees the tensors made inside it when it ends, except those returned to the scope around it or kept. Modules and the trainer
/// open scopes by themselves; code that uses them needs none. Scopes nest per thread.</summary>
public sealed class TensorScope : IDisposable
{
    [ThreadStatic]
    private static TensorScope? _innermost;

    private readonly TensorScope? _outer;
    private readonly HashSet<Tensor> _tensors = new(ReferenceEqualityComparer.Instance);
    private bool _ended;

    /// <summary>Opens a scope on this thread.</summary>
    /// <param name="label">Name for memory reports, such as a module's name.</param>
    public TensorScope(string label = "")
    {
        Label = label;
        _outer = _innermost;
        _innermost = this;
    }

    /// <summary>The scope new tensors of this thread fall into; null outside any.</summary>
    internal static TensorScope? Innermost => _innermost;

    internal string Label { get; }

    /// <summary>Labels from the outermost scope to this one, joined by dots: a module path.</summary>
    internal string Path => string.Join('.', Labels().Reverse());

    /// <summary>Hands a tensor to the scope around this one, as a function returns its result.</summary>
    public Tensor Return(Tensor tensor)
    {
        if (_tensors.Remove(tensor))
        {
            _outer?._tensors.Add(tensor);
        }
        return tensor;
    }

    /// <summary>Frees what is left in the scope.</summary>
    /// <exception cref="InvalidOperationException">A scope opened inside this one, or on another thread, is still open.</exception>
    public void Dispose()
    {
        if (_ended)
        {
            return;
        }
        if (_innermost != this)
        {
            throw new InvalidOperationException("tensor scopes must end in the reverse order of their beginning");
        }
        _ended = true;
        _innermost = _outer;
        foreach (var tensor in _tensors)
        {
            tensor.Dispose();
        }
        _tensors.Clear();
    }

    internal static Tensor Register(Tensor tensor)
    {
        _innermost?._tensors.Add(tensor);
        return tensor;
    }

    internal static void Forget(Tensor tensor)
    {
        for (var scope = _innermost; scope is not null; scope = scope._outer)
        {
            if (scope._tensors.Remove(tensor))
            {
                return;
            }
        }
    }

    internal static void AddBeside(Tensor member, Tensor tensor)
    {
        for (var scope = _innermost; scope is not null; scope = scope._outer)
        {
            if (scope._tensors.Contains(member))
            {
                scope._tensors.Add(tensor);
                return;
            }
        }
    }

    private IEnumerable<string> Labels()
    {
        for (var scope = this; scope is not null; scope = scope._outer)
        {
            if (scope.Label.Length > 0)
            {
                yield return scope.Label;
            }
        }
    }
}
