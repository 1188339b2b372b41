using System.Runtime.CompilerServices;

namespace PeftCore.Tokenizers;

/// <summary>A part of a template's tree. Names are resolved once after parsing, by the rules of Jinja's compiler: which variable a name
/// means does not depend on what has run before.</summary>
internal abstract class JinjaNode
{
    /// <summary>The parts of this node, in the order in which Jinja looks at them.</summary>
    public virtual IEnumerable<JinjaNode> Children => [];

    /// <summary>Tells the scope around this node the names it loads and stores; parts with a scope of their own are left out.</summary>
    public virtual void Declare(JinjaSymbols symbols)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        foreach (var child in Children)
        {
            child.Declare(symbols);
        }
    }

    /// <summary>Finds the variables of the names in this node.</summary>
    public virtual void Bind(JinjaBinding binding)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        foreach (var child in Children)
        {
            child.Bind(binding);
        }
    }

    /// <summary>This node and all below it.</summary>
    public IEnumerable<JinjaNode> All()
    {
        var open = new Stack<JinjaNode>([this]);
        while (open.TryPop(out var node))
        {
            yield return node;
            foreach (var child in node.Children)
            {
                open.Push(child);
            }
        }
    }

    /// <summary>Which of some names are read in the nodes before they are set.</summary>
    public static HashSet<string> FindUndeclared(IEnumerable<JinjaNode> nodes, params string[] names)
    {
        var (open, found) = (names.ToHashSet(StringComparer.Ordinal), new HashSet<string>(StringComparer.Ordinal));
        foreach (var node in nodes)
        {
            node.FindUndeclared(open, found);
        }

        return found;
    }

    protected virtual void FindUndeclared(HashSet<string> open, HashSet<string> found)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        foreach (var child in Children)
        {
            child.FindUndeclared(open, found);
        }
    }
}

/// <summary>Where the names of a node are looked up.</summary>
/// <param name="Symbols">The scope.</param>
/// <param name="IsTop">Whether named blocks can read the variables set here.</param>
/// <param name="IsOptional">Whether a condition decides if the node is run, so that an unknown filter is no fault yet.</param>
internal readonly record struct JinjaBinding(JinjaSymbols Symbols, bool IsTop, bool IsOptional)
{
    public JinjaBinding Optional => this with { IsOptional = true };

    public static JinjaBinding In(JinjaSymbols symbols) => new(symbols, false, false);
}
