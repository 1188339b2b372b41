using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

public sealed class OpCoverageTests
{
    [Test]
    public void Every_op_with_a_gradient_is_in_the_catalog()
    {
        var ops = typeof(GradientNode).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(GradientNode)) && !type.IsAbstract);
        // A hook computes nothing; OffloadTests see its actions run.
        ops = ops.Where(op => op.DeclaringType != typeof(BackwardHook));
        var recorded = RecordedNodes();
        Assert.That(ops.Where(op => !recorded.Contains(op)), Is.Empty, "ops without an entry in OpCatalog");
    }

    [Test]
    public void Every_formula_is_in_the_catalog_as_activation_and_as_gate()
    {
        var names = OpCatalog.Entries.Select(entry => entry.Name).ToHashSet();
        var formulas = typeof(IUnaryFormula).Assembly.GetTypes()
            .Where(type => type.IsValueType && type.IsAssignableTo(typeof(IUnaryFormula)));
        Assert.That(formulas.SelectMany(f => (string[])[$"activate {f.Name}", $"gate {f.Name}"]).Where(name => !names.Contains(name)),
            Is.Empty);
    }

    [Test]
    public void Every_entry_has_its_own_name() => Assert.That(OpCatalog.Entries.Select(entry => entry.Name), Is.Unique);

    private static HashSet<Type> RecordedNodes()
    {
        using var backend = new CpuBackend(1);
        var types = new HashSet<Type>();
        foreach (var sample in OpCatalog.Entries.Select(entry => entry.Sample(Size.Odd)))
        {
            using var scope = new TensorScope();
            using var tape = new Tape();
            sample.Apply([.. sample.Inputs.Select(input =>
                input.DType == DType.F32 ? backend.From(input.Values, input.Shape).TrackGradient()
                : backend.Zeros(input.Shape, input.DType))]);
            types.UnionWith(tape.Nodes.Select(node => node.GetType()).Select(type => type.IsGenericType ? type.GetGenericTypeDefinition()
                : type));
        }
        return types;
    }
}
