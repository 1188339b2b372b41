namespace PeftCore.Tensors;

/// <summary>Frees the tensors created inside it when it ends, except those returned to the enclosing scope or kept. Modules and the trainer
/// open scopes; code that calls them does not need one. Scopes nest per thread.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// using var sum = Sum(backend);
/// Console.WriteLine(sum.Item()); // 6
///
/// static Tensor Sum(CpuBackend backend)
/// {
///     using var scope = new TensorScope(); // frees x, and everything else but what it returns
///     var x = backend.From([1f, 2, 3], [3]);
///     return scope.Return(x.Sum());
/// }
/// </code>
/// </example>
public sealed class TensorScope : IDisposable
{
    [ThreadStatic]
    private static TensorScope? _innermost;

    /// <summary>A pool of the arrays of ended scopes: a step opens hundreds of scopes.</summary>
    [ThreadStatic]
    private static Stack<Tensor?[]>? _spare;

    /// <summary>Cache of joined paths, one per module.</summary>
    [ThreadStatic]
    private static Dictionary<(string Outer, string Label), string>? _paths;

    private readonly TensorScope? _outer;
    private readonly int _thread = Environment.CurrentManagedThreadId;

    // Set when another thread disposes this scope; its own thread then ends it.
    private volatile bool _isAbandoned;

    // The scope's tensors, oldest first; null in place of one that has left. A tensor knows its index.
    private Tensor?[]? _tensors;
    private int _count;

    /// <summary>Opens a scope on this thread.</summary>
    /// <param name="label">Name for memory reports, such as a module's name.</param>
    public TensorScope(string label = "")
    {
        Label = label;
        _tensors = _spare is { Count: > 0 } ? _spare.Pop() : new Tensor?[8];
        _outer = Innermost;
        _innermost = this;
    }

    /// <summary>The scope that new tensors of this thread belong to; null outside any.</summary>
    internal static TensorScope? Innermost
    {
        get
        {
            while (_innermost is { _isAbandoned: true } abandoned)
            {
                abandoned.End();
            }
            return _innermost;
        }
    }

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
    /// <exception cref="InvalidOperationException">The scope was opened on another thread.</exception>
    /// <exception cref="ObjectDisposedException">The scope has ended.</exception>
    public Tensor Return(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        CheckThread("returns a tensor");
        if (_tensors is null)
        {
            throw new ObjectDisposedException(nameof(TensorScope), $"{This} has ended, and its tensors with it; return a tensor before");
        }
        if (tensor.Scope == this)
        {
            Remove(tensor);
            MoveTo(_outer, tensor);
        }
        return tensor;
    }

    /// <summary>Frees the tensors of the scope.</summary>
    /// <exception cref="InvalidOperationException">A scope opened inside this one, or on another thread, is still open.</exception>
    public void Dispose()
    {
        if (_tensors is null)
        {
            return;
        }
        if (_thread != Environment.CurrentManagedThreadId)
        {
            _isAbandoned = true;
        }
        CheckThread("is disposed");
        // This ends scopes that other threads have disposed, perhaps this one.
        var innermost = Innermost;
        if (_tensors is null)
        {
            return;
        }
        if (innermost != this)
        {
            throw new InvalidOperationException($"{This} is disposed while {innermost!.This}, opened inside it, is still open; "
                + "dispose scopes in the reverse order of their beginning, as using declarations do");
        }
        End();
    }

    // Frees the tensors. The scope is the innermost of this thread.
    private void End()
    {
        var tensors = _tensors!;
        _tensors = null;
        _innermost = _outer;
        for (int i = 0; i < _count; i++)
        {
            if (tensors[i] is { } tensor)
            {
                tensor.EndWithScope(Label);
                tensors[i] = null;
            }
        }
        (_spare ??= []).Push(tensors);
    }

    internal static Tensor Register(Tensor tensor)
    {
        MoveTo(Innermost, tensor);
        return tensor;
    }

    internal static void Forget(Tensor tensor)
    {
        if (tensor.Scope is { } scope)
        {
            scope.Remove(tensor);
            MoveTo(null, tensor);
        }
    }

    internal static void AddToScopeOf(Tensor member, Tensor tensor)
    {
        tensor.Scope?.Remove(tensor);
        MoveTo(member.Scope, tensor);
    }

    // The garbage collector frees a tensor that no scope does.
    private static void MoveTo(TensorScope? scope, Tensor tensor)
    {
        if (scope is null)
        {
            tensor.FreeWhenCollected();
        }
        else
        {
            scope.Add(tensor);
        }
    }

    private void Add(Tensor tensor)
    {
        CheckThread("gets a tensor");
        if (_count == _tensors!.Length)
        {
            Array.Resize(ref _tensors, 2 * _count);
        }
        tensor.JoinScope(this, _count);
        _tensors[_count++] = tensor;
    }

    private void Remove(Tensor tensor)
    {
        CheckThread("gives a tensor away");
        _tensors![tensor.IndexInScope] = null;
        tensor.LeaveScope();
    }

    private string This => Label.Length == 0 ? "a tensor scope" : $"the tensor scope \"{Label}\"";

    private void CheckThread(string what)
    {
        if (_thread != Environment.CurrentManagedThreadId)
        {
            throw new InvalidOperationException(
                $"{This} of thread {_thread} {what} on thread {Environment.CurrentManagedThreadId}; a scope is used on the thread that "
                + "opened it, so end it before an await, after which a method may continue on another thread");
        }
    }
}
