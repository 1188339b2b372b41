using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu.Tests;

public sealed class PtxMacrosTests
{
    [Test]
    public void The_target_and_the_shared_memory_are_added()
    {
        string ptx = PtxMacros.Expand(".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry Some_Kernel(\n",
            static (_, _, _) => false);

        Assert.That(ptx, Does.Contain(".target sm_90a\n").And.Contain(".extern .shared .align 1024"));
        Assert.That(PtxMacros.EntryOf(ptx), Is.EqualTo("Some_Kernel"));
    }

    [Test]
    public void An_unknown_macro_is_an_error() => Assert.That(() => PtxMacros.Expand("peft.conquer;", static (_, _, _) => false),
        Throws.InvalidOperationException.With.Message.Contains("conquer"));
}
