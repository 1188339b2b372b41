namespace PeftCore.Tensors;

/// <summary>Frees the tensors created inside it when it ends, except those returned to the enclosing scope or kept. Modules and the trainer
/// open scopes; code that calls them does not need one. Scopes nest per thread.</summary>
public sealed class TensorScope : IDisposable
{
    [ThreadStatic]
    private static TensorScope? _innermost;

    /// <summary>A pool of the sets of ended scopes: a step opens hundreds of scopes.</summary>
    [ThreadStatic]
    private static Stack<HashSet<Tensor>>? _spare;

    /// <summary>Cache of joined paths, one per module.</summary>
    [ThreadStatic]
    private static Dictionary<(string Outer, string Label), string>? _paths;

    private readonly TensorScope? _outer;
    private HashSet<Tensor>? _tensors;

    /// <summary>Opens a scope on this thread.</summary>
    /// <param name="label">Name for memory reports, such as a module's name.</param>
    public TensorScope(string label = "")
    {
        Label = label;
        _tensors = _spare is { Count: > 0 } ? _spare.Pop() : new HashSet<Tensor>(ReferenceEqualityComparer.Instance);
        _outer = _innermost;
        _innermost = this;
    }

    /// <summary>The scope that new tensors of this thread belong to; null outside any.</summary>
    internal static TensorScope? Innermost => _innermost;

    internal string Label { get; }

    /// <summary>Labels from the outermost scope to this one, joined by dots: a module path.</summary>
    internal string Path
    {
        get
        {
            string outer = _outer?.Path ?? "";
            if (outer.Length == 0 || Label.Length == 0)
            {
                return outer.Length == 0 ? Label : outer;
            }
            var paths = _paths ??= [];
            if (!paths.TryGetValue((outer, Label), out string? path))
            {
                paths.Add((outer, Label), path = $"{outer}.{Label}");
            }
            return path;
        }
    }

    /// <summary>Moves a tensor to the enclosing scope, as a function returns its result.</summary>
    public Tensor Return(Tensor tensor)
    {
        if (_tensors is not null && _tensors.Remove(tensor))
        {
            _outer?._tensors!.Add(tensor);
        }
        return tensor;
    }

    /// <summary>Frees the tensors of the scope.</summary>
    /// <exception cref="InvalidOperationException">A scope opened inside this one, or on another thread, is still open.</exception>
    public void Dispose()
    {
        if (_tensors is not { } tensors)
        {
            return;
        }
        if (_innermost != this)
        {
            throw new InvalidOperationException("tensor scopes must end in the reverse order of their beginning");
        }
        _tensors = null;
        _innermost = _outer;
        foreach (var tensor in tensors)
        {
            tensor.Dispose();
        }
        tensors.Clear();
        (_spare ??= []).Push(tensors);
    }

    internal static Tensor Register(Tensor tensor)
    {
        _innermost?._tensors!.Add(tensor);
        return tensor;
    }

    internal static void Forget(Tensor tensor)
    {
        for (var scope = _innermost; scope is not null; scope = scope._outer)
        {
            if (scope._tensors!.Remove(tensor))
            {
                return;
            }
        }
    }

    internal static void AddToScopeOf(Tensor member, Tensor tensor)
    {
        for (var scope = _innermost; scope is not null; scope = scope._outer)
        {
            if (scope._tensors!.Contains(member))
            {
                scope._tensors!.Add(tensor);
                return;
            }
        }
    }
}
