using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>A named tree of parameters. Names are those of Hugging Face, so a path such as "model.layers.0.self_attn.q_proj.weight" is also
/// the key in a weight file.</summary>
/// <example>
/// <code>
/// using var backend = new CpuBackend();
/// using var scope = new TensorScope();
/// using var network = new Network(4, 8);
/// foreach (var (path, parameter) in network.NamedParameters())
/// {
///     parameter.Set(backend.Zeros(parameter.Shape));
/// }
/// network.SetRequiresGrad(true);
/// Console.WriteLine(string.Join(", ", network.NamedParameters().Select(p => p.Path))); // up.weight, down.weight
///
/// sealed class Network : Module
/// {
///     private readonly Linear _up;
///     private readonly Linear _down;
///
///     public Network(int width, int inner)
///     {
///         _up = Add("up", new Linear(width, inner));
///         _down = Add("down", new Linear(inner, width));
///     }
///
///     public Tensor Forward(Tensor x) => x + _down.Forward(_up.Forward(x));
/// }
/// </code>
/// </example>
public abstract class Module : IDisposable
{
    private readonly List<KeyValuePair<string, Module>> _children = [];
    private readonly List<KeyValuePair<string, Parameter>> _parameters = [];

    /// <summary>Name inside the parent; empty for a root.</summary>
    public string Name { get; private set; } = "";

    /// <summary>Training or evaluation, and the seed of dropout: one object for the whole model.</summary>
    public RunMode Mode { get; private set; } = new();

    /// <summary>Direct children by name.</summary>
    internal IReadOnlyList<KeyValuePair<string, Module>> Children => _children;

    /// <summary>Own parameters by name, without those of children.</summary>
    internal IReadOnlyList<KeyValuePair<string, Parameter>> OwnParameters => _parameters;

    /// <summary>This module and all its descendants with their paths, parents first; the root's path is empty.</summary>
    internal IEnumerable<(string Path, Module Module)> NamedModules() => NamedModules("");

    /// <summary>All parameters with their paths; a shared one (tied embeddings) once, under its first path.</summary>
    public IEnumerable<(string Path, Parameter Parameter)> NamedParameters()
    {
        var seen = new HashSet<Parameter>();
        foreach (var (path, module) in NamedModules())
        {
            foreach (var (name, parameter) in module._parameters)
            {
                if (seen.Add(parameter))
                {
                    yield return (module.PathOf(path, name), parameter);
                }
            }
        }
    }

    /// <summary>The module at a path below this one; null if there is none.</summary>
    public Module? Find(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var module = this;
        foreach (string name in path.Length == 0 ? [] : path.Split('.'))
        {
            module = module._children.Find(child => child.Key == name).Value;
            if (module is null)
            {
                return null;
            }
        }
        return module;
    }

    /// <summary>Makes all parameters of this module and its descendants trainable, or freezes them.</summary>
    public void SetRequiresGrad(bool requiresGrad)
    {
        foreach (var (_, parameter) in NamedParameters())
        {
            parameter.RequiresGrad = requiresGrad;
        }
    }

    /// <summary>Frees the parameters of this module and its descendants, and their other tensors. Calling it again has no effect.</summary>
    public void Dispose()
    {
        foreach (var (_, module) in NamedModules())
        {
            module.OnDispose();
        }
        foreach (var (_, parameter) in NamedParameters())
        {
            parameter.Dispose();
        }
        Streamer?.Dispose();
    }

    /// <summary>Streams the matrices of blocks that do not fit on the device; null for none. A model sets it.</summary>
    internal LayerStreamer? Streamer { get; set; }

    /// <summary>The path of an own parameter, from the module's path and the parameter's name.</summary>
    internal virtual string PathOf(string path, string name) => Join(path, name);

    internal static string Join(string path, string name) => path.Length == 0 ? name : path + "." + name;

    /// <summary>Called by <see cref="Dispose"/>: frees tensors that are not parameters.</summary>
    private protected virtual void OnDispose() { }

    /// <summary>Adds a child under a name.</summary>
    /// <exception cref="ArgumentException">The child is this module or contains it.</exception>
    protected T Add<T>(string name, T child) where T : Module
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(child);
        _children.Add(new(name, child));
        child.Name = name;
        child.Adopt(Mode);
        return child;
    }

    /// <summary>Adds a child under a path such as "attn.attention", with a module that only holds others for every name before the
    /// last.</summary>
    private protected T AddPath<T>(string path, T child) where T : Module
    {
        int dot = path.IndexOf('.', StringComparison.Ordinal);
        if (dot < 0)
        {
            return Add(path, child);
        }
        var group = _children.Find(pair => pair.Key == path[..dot]).Value ?? Add(path[..dot], new ModuleGroup());
        return group.AddPath(path[(dot + 1)..], child);
    }

    /// <summary>Adds a parameter under a path, to the module before the last name, which may be new.</summary>
    /// <returns>That module.</returns>
    private protected Module AddPath(string path, Parameter parameter)
    {
        int dot = path.IndexOf('.', StringComparison.Ordinal);
        if (dot < 0)
        {
            Add(path, parameter);
            return this;
        }
        var group = _children.Find(pair => pair.Key == path[..dot]).Value ?? Add(path[..dot], new ModuleGroup());
        return group.AddPath(path[(dot + 1)..], parameter);
    }

    /// <summary>Adds a parameter under a name.</summary>
    protected Parameter Add(string name, Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(parameter);
        _parameters.Add(new(name, parameter));
        return parameter;
    }

    /// <summary>Own parameter of a name; null if there is none.</summary>
    internal Parameter? OwnParameter(string name)
    {
        foreach (var (key, parameter) in _parameters)
        {
            if (key == name)
            {
                return parameter;
            }
        }
        return null;
    }

    /// <summary>Replaces the parameter of a name, as tied weights and modules_to_save do.</summary>
    /// <returns>The parameter that was replaced.</returns>
    internal Parameter Exchange(string name, Parameter parameter)
    {
        int i = _parameters.FindIndex(pair => pair.Key == name);
        if (i < 0 || (_parameters[i].Value.Shape != parameter.Shape
            && !(TakesRows && IsTable(parameter.Shape, _parameters[i].Value.Shape.Columns))))
        {
            throw new ShapeException("exchange", $"module '{Name}' has no parameter '{name}' of shape {parameter.Shape}");
        }
        var before = _parameters[i].Value;
        _parameters[i] = new(name, parameter);
        return before;
    }

    /// <summary>Replaces the parameter of a name by one that may have another shape, and disposes the one before.</summary>
    private protected void Redeclare(string name, Parameter parameter)
    {
        int i = _parameters.FindIndex(pair => pair.Key == name);
        _parameters[i].Value.Dispose();
        _parameters[i] = new(name, parameter);
    }

    /// <summary>Whether the weight can be replaced by one with another number of rows: a table with one row per token.</summary>
    private protected virtual bool TakesRows => false;

    private static bool IsTable(Shape shape, int columns) => shape.Rank == 2 && shape.Columns == columns;

    private void Adopt(RunMode mode)
    {
        Mode = mode;
        foreach (var (_, child) in _children)
        {
            child.Adopt(mode);
        }
    }

    private IEnumerable<(string Path, Module Module)> NamedModules(string path)
    {
        yield return (path, this);
        foreach (var (name, child) in _children)
        {
            foreach (var below in child.NamedModules(Join(path, name)))
            {
                yield return below;
            }
        }
    }
}
