using PeftCore.Cli.Output;
using PeftCore.Tensors;

namespace PeftCore.Cli.Explain;

/// <summary>The tree of modules as a table: what is frozen, what trains, elements and bytes, each with all that is below it.</summary>
/// <param name="path">Path of the module.</param>
/// <param name="name">Its name inside the parent.</param>
internal sealed class ModuleTree(string path, string name)
{
    private readonly List<ModuleTree> _children = [];
    private readonly List<(string Name, string Status, Shape Shape, long Bytes)> _own = [];
    private string _type = "";

    /// <summary>Builds the tree of a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="model">What the root is called.</param>
    public static ModuleTree Of(ExplainedStep step, string model)
    {
        var root = new ModuleTree("", model);
        foreach (var (module, type, parameter, status, shape, _, bytes) in step.Trace.Parameters)
        {
            var node = root;
            foreach (string part in module.Split('.', StringSplitOptions.RemoveEmptyEntries))
            {
                node = node.Child(part);
            }
            node._type = type;
            node._own.Add((parameter, status, shape, bytes));
        }
        return root;
    }

    /// <summary>The rows of the table: module, type, frozen elements, trained elements, bytes, status.</summary>
    /// <param name="all">Whether blocks that repeat the one before are shown too.</param>
    public List<string[]> Rows(bool all)
    {
        var rows = new List<string[]> { (string[])["module", "type", "frozen", "train", "bytes", ""] };
        AddTo(rows, 0, all);
        return rows;
    }

    private long Frozen => Sum(status => status is "frozen" or "replaced" or "constant");

    private long Trained => Sum(status => status is "trains" or "trains a copy");

    private long Bytes => _own.Sum(own => own.Bytes) + _children.Sum(child => child.Bytes);

    private string Status => string.Join(", ", _own.Where(own => own.Status != "frozen").GroupBy(own => own.Status)
        .Select(group => group.Key == "trains" ? $"trains {string.Join(", ", group.Select(own => own.Name))}"
            : $"{group.Key}{(group.Key == "trains a copy" ? " of" : "")} {string.Join(", ", group.Select(own => own.Name))}"));

    private long Sum(Func<string, bool> counts) => _own.Where(own => counts(own.Status)).Sum(own => own.Shape.Count)
        + _children.Sum(child => child.Sum(counts));

    private ModuleTree Child(string childName)
    {
        var child = _children.Find(other => other.Name == childName);
        if (child is null)
        {
            _children.Add(child = new ModuleTree(path.Length == 0 ? childName : $"{path}.{childName}", childName));
        }
        return child;
    }

    private string Name => name;

    private string Path => path;

    private string Signature => string.Join(';', _own) + "{"
        + string.Join(',', _children.Select(child => child.Name + child.Signature)) + "}";

    private void AddTo(List<string[]> rows, int depth, bool all)
    {
        string indent = new(' ', 2 * depth);
        rows.Add([indent + name, _type, Number(Frozen), Number(Trained), $"{new ByteSize(Bytes)}", Status]);
        var blocks = _children.ConvertAll(child => (RepeatedBlocks.BlockOf(child.Path) == child.Path ? child.Path : "", child.Signature));
        foreach (var (first, count) in all ? _children.Select((_, i) => (i, 1)) : RepeatedBlocks.Group(blocks))
        {
            _children[first].AddTo(rows, depth + 1, all);
            if (count > 1)
            {
                string others = RepeatedBlocks.Others([.. _children.Skip(first + 1).Take(count - 1).Select(child => child.Name)]);
                rows.Add([$"{indent}  {others}", "", "", "", "", $"as {_children[first].Name}"]);
            }
        }
    }

    private static string Number(long count) => count == 0 ? "" : $"{count:N0}";
}
