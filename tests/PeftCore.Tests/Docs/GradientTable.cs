using System.Text.RegularExpressions;
using System.Xml.Linq;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;
using PeftCore.Tests.Ops;

namespace PeftCore.Tests.Docs;

/// <summary>Writes docs/gradients.md: equations from the doc comments of the gradient nodes and formulas, and the saved tensors from the op
/// catalog, whose tests verify them.</summary>
internal static partial class GradientTable
{
    private const string Intro = """
        # Gradient rules

        Every op that a gradient can come back through, by kind. dx is the gradient of the loss with respect to x; ∘ multiplies element by element. *Saved* is what the
        op keeps from its forward to its backward pass: "x for drow" is kept only if the gradient of row is needed, a name alone whenever the op is recorded.
        Only the gradients that are needed are computed.

        A test writes this page from the doc comments of the ops (`src/PeftCore/Ops`) and the op catalog of the tests, and fails if it differs:

        ```sh
        PEFTCORE_UPDATE_DOCS=1 dotnet test tests/PeftCore.Tests -c Release --filter FullyQualifiedName~GradientTableTests
        ```

        Other ops are made of these: a difference is a sum with −1·x, a mean a sum times 1/n, `a / b` the gated product of 1/b and a. `Recompute` keeps a body's input and runs
        the body again; an `AutogradFunction` brings its own rule ([extending.md](extending.md)).

        """;

    private sealed record Rule(string Kind, string Op, string Forward, string Backward, string Saved);

    public static string Write()
    {
        var rules = Nodes().Select(RuleOf).OrderBy(rule => rule.Kind, StringComparer.Ordinal)
            .ThenBy(rule => rule.Op, StringComparer.Ordinal).ThenBy(rule => rule.Forward, StringComparer.Ordinal);
        var page = new List<string> { Intro.TrimEnd() };
        foreach (var kind in rules.GroupBy(rule => rule.Kind))
        {
            page.AddRange(["", $"## {kind.Key}", "", "| op | forward | backward | saved |", "| --- | --- | --- | --- |"]);
            page.AddRange(kind.Select(rule => $"| {rule.Op} | {rule.Forward} | {rule.Backward} | {rule.Saved} |"));
        }
        page.AddRange(["", "## Formulas f of activations and gates", "", "| f | forward | derivative |", "| --- | --- | --- |"]);
        page.AddRange(Formulas());
        return string.Join('\n', page) + "\n";
    }

    /// <summary>The doc comment of a node, which is its gradient rule.</summary>
    public static string RuleText(Type node) => Summaries(typeof(GradientNode))[
        "T:" + (node.IsGenericType ? node.GetGenericTypeDefinition() : node).FullName!.Replace('+', '.')];

    private static IEnumerable<Type> Nodes() => typeof(GradientNode).Assembly.GetTypes()
        .Where(type => type.IsSubclassOf(typeof(GradientNode)) && type is { IsAbstract: false, Namespace: "PeftCore.Ops" });

    private static IEnumerable<string> Formulas()
    {
        var docs = Summaries(typeof(IUnaryFormula));
        return from type in typeof(IUnaryFormula).Assembly.GetTypes()
               where type.IsValueType && type.IsAssignableTo(typeof(IUnaryFormula))
               orderby type.Name
               let parts = Split(docs, type)
               select $"| {type.Name} | {parts.Forward} | {parts.Backward} |";
    }

    private static Rule RuleOf(Type node)
    {
        var (forward, backward) = Split(Summaries(typeof(GradientNode)), node);
        var (op, saved) = Recorded.Value[node];
        return new Rule(KindOf(node), op, forward, backward, saved);
    }

    /// <summary>The name and the saved tensors of each node's op, from the first catalog entry that records only this node, else the first
    /// that records it.</summary>
    private static readonly Lazy<Dictionary<Type, (string Op, string Saved)>> Recorded = new(() =>
    {
        using var backend = new CpuBackend(1);
        var found = new Dictionary<Type, (string Op, string Saved)>();
        var entries = OpCatalog.Entries.Select(entry => (Entry: entry, Nodes: NodesOf(backend, entry))).ToList();
        foreach (var (entry, nodes) in entries.Where(e => e.Nodes.Count == 1).Concat(entries.Where(e => e.Nodes.Count > 1)))
        {
            foreach (var (type, op, names) in nodes)
            {
                string[] saved = nodes.Count == 1 ? [.. entry.Saves.Select(Condition)] : names;
                found.TryAdd(type, (op, saved.Length == 0 ? "nothing" : string.Join(", ", saved)));
            }
        }
        return found;
    });

    /// <summary>Formats "x: row" as "x for drow".</summary>
    private static string Condition(string saves)
    {
        string[] parts = saves.Split(": ");
        return parts[1] == "*" ? parts[0] : $"{parts[0]} for {string.Join(" or ", parts[1].Split(' ').Select(name => "d" + name))}";
    }

    private static List<(Type Type, string Op, string[] Saved)> NodesOf(CpuBackend backend, OpEntry entry)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var sample = entry.Sample(Size.Odd);
        sample.Apply([.. sample.Inputs.Select(input => input.DType == DType.F32
            ? backend.From(input.Values, input.Shape).TrackGradient() : backend.Zeros(input.Shape, input.DType))]);
        return [.. tape.Nodes.Select(node => node.GetType() is { IsGenericType: true } type
            ? (type.GetGenericTypeDefinition(), OfFormula(node.Op, type.GetGenericArguments()[0].Name), Names(node))
            : (node.GetType(), node.Op, Names(node)))];

        static string OfFormula(string op, string formula) => op == formula ? "activation_f" : op.Replace(formula, "f");

        static string[] Names(GradientNode node) => [.. node.SavedTensors.Select(saved => saved.Name)];
    }

    /// <summary>The folder of the file that holds the op.</summary>
    private static string KindOf(Type node)
    {
        string file = (node.DeclaringType ?? node).Name + ".cs";
        string path = Directory.GetFiles(Path.Combine(TestFiles.Root, "src", "PeftCore", "Ops"), file, SearchOption.AllDirectories)
            .Single();
        return Path.GetFileName(Path.GetDirectoryName(path)!);
    }

    private static (string Forward, string Backward) Split(Dictionary<string, string> docs, Type type)
    {
        string key = "T:" + type.FullName!.Replace('+', '.');
        string[] parts = docs.GetValueOrDefault(key, "").TrimEnd('.').Split("; ", 2);
        return parts.Length == 2 ? (parts[0], parts[1])
            : throw new InvalidOperationException($"{type}: its summary must read \"forward equation;  backward equations.\"");
    }

    private static Dictionary<string, string> Summaries(Type ofAssembly) =>
        XDocument.Load(Path.ChangeExtension(ofAssembly.Assembly.Location, ".xml")).Descendants("member")
            .Where(member => member.Element("summary") is not null)
            .ToDictionary(member => member.Attribute("name")!.Value, member => Spaces().Replace(member.Element("summary")!.Value, " ")
                .Trim());

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
