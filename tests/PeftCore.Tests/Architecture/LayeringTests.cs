using System.Reflection;

namespace PeftCore.Tests.Architecture;

/// <summary>A layer refers only to lower layers; docs/architecture.md gives the order.</summary>
public sealed class LayeringTests
{
    // Lowest first. Namespaces on one line may refer to each other.
    private static readonly string[][] Layers =
    [
        ["PeftCore", "PeftCore.Kernels"],
        ["PeftCore.Tensors"],
        ["PeftCore.Io", "PeftCore.Tokenizers"],
        ["PeftCore.Backends"],
        ["PeftCore.Autograd"],
        ["PeftCore.Ops"],
        ["PeftCore.Nn"],
        ["PeftCore.Models", "PeftCore.Peft", "PeftCore.Optim"],
        ["PeftCore.Data", "PeftCore.Training"],
    ];

    private static readonly Assembly[] Assemblies =
    [
        typeof(PeftCore.Peft.PeftModel).Assembly, typeof(PeftCore.Kernels.ElementType).Assembly,
        typeof(PeftCore.Tokenizers.Tokenizer).Assembly,
    ];

    [Test]
    public void Every_namespace_has_its_layer()
    {
        var unknown = Assemblies.SelectMany(OwnTypes).Select(type => type.Namespace!).Distinct().Where(name => LayerOf(name) < 0);

        Assert.That(unknown, Is.Empty, "name these namespaces in the layers above");
    }

    [Test]
    public void References_only_go_down()
    {
        var upward =
            from type in Assemblies.SelectMany(OwnTypes)
            from used in MetadataReferences.Of(type)
            where Assemblies.Contains(used.Assembly) && used.Namespace is not null && LayerOf(used.Namespace) > LayerOf(type.Namespace!)
            select $"{type} refers to {used}";

        Assert.That(upward.Distinct().Order(), Is.Empty);
    }

    [TestCase(typeof(PeftCore.Tokenizers.Tokenizer))]
    [TestCase(typeof(PeftCore.Kernels.ElementType))]
    public void The_assembly_refers_to_no_other_of_ours(Type type) =>
        Assert.That(type.Assembly.GetReferencedAssemblies().Select(other => other.Name), Has.None.StartsWith("PeftCore"));

    [Test]
    public void The_reader_of_references_sees_into_method_bodies() =>
        Assert.That(MetadataReferences.Of(typeof(LayeringTests)),
            Does.Contain(typeof(MetadataReferences)).And.Contain(typeof(BadInputException)));

    private static IEnumerable<Type> OwnTypes(Assembly assembly) =>
        assembly.GetTypes().Where(type => type.Namespace?.StartsWith("PeftCore", StringComparison.Ordinal) == true);

    // A sub-namespace such as PeftCore.Peft.Lora is in the layer of its parent.
    private static int LayerOf(string name) =>
        Array.FindIndex(Layers,
            layer => layer.Any(known => known == name || (known != "PeftCore" && name.StartsWith(known + ".", StringComparison.Ordinal))));
}
