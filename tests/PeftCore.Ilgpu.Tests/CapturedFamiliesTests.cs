using PeftCore.Tensors;
using PeftCore.Tests.Training;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Captured steps of families that train with dropout and read more of their inputs than token ids.</summary>
public abstract class CapturedFamiliesTests(string device, DType dtype, string[] families)
{
    [Test]
    public void A_captured_pass_of_a_family_gives_the_same_bits()
    {
        foreach (string family in families)
        {
            var backend = SharedDevices.Open(device, dtype);
            var (values, launches) = CapturedFamilies.Train(backend, family, capture: true);
            var (expected, none) = CapturedFamilies.Train(backend, family, capture: false);
            using (Assert.EnterMultipleScope())
            {
                Assert.That(values, Is.EqualTo(expected), family);
                Assert.That((launches, none), Is.EqualTo((4, 0)), family);
            }
        }
    }
}

// ILGPU's CPU accelerator is slow: one model for each kind of tensor that a pass reads.
[TestFixture]
public sealed class IlgpuCpuCapturedFamiliesTests() : CapturedFamiliesTests("ilgpu-cpu", DType.F32, ["bert", "t5"]);

[TestFixture]
public sealed class CudaCapturedFamiliesTests() : CapturedFamiliesTests("cuda", DType.F32, [.. CapturedFamilies.Names]);

[TestFixture]
public sealed class CudaBf16CapturedFamiliesTests() : CapturedFamiliesTests("cuda", DType.BF16, [.. CapturedFamilies.Names]);
