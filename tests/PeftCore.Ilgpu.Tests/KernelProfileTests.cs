using PeftCore.Backends;

namespace PeftCore.Ilgpu.Tests;

public sealed class KernelProfileTests
{
    [Test]
    public void Times_are_added_up_by_kernel_and_the_longest_comes_first()
    {
        var profile = new KernelProfile();
        profile.Add("a", 1);
        profile.Add("b", 3, new Work(6e9, 1));
        profile.Add("a", 1, new Work(0, 5e9));

        string[] lines = profile.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.That(lines[0], Does.Contain("3.000 ms").And.Contain("60.0 %").And.Contain("1 ×").And.Contain("2.0 TFLOP/s").And.EndsWith(
            "b"));
        Assert.That(lines[1], Does.Contain("2.000 ms").And.Contain("2 ×").And.Contain("2.50 TB/s").And.EndsWith("a"));
        Assert.That(lines[2], Does.Contain("5.000 ms in all"));
    }

    [Test]
    public void Slower_rates_have_a_smaller_unit_and_a_share_of_the_peak_where_that_is_known()
    {
        var profile = new KernelProfile { PeakFlops = 400e9 };
        profile.Add("product", 3, new Work(900e6, 0));
        profile.Add("sum", 1, new Work(0, 20e6));

        string[] lines = profile.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.That(lines[0], Does.Contain("300.0 GFLOP/s").And.Contain("75 % peak"));
        Assert.That(lines[1], Does.Contain("20.00 GB/s").And.Not.Contain("peak"));
        Assert.That(lines[2], Does.Contain("225.0 GFLOP/s in all, of 400 GFLOP/s"));
    }

    [Test]
    public void Names_of_generic_kernels_leave_out_namespaces() =>
        Assert.That(KernelProfile.NameOf(typeof(Dictionary<int, List<string>>)), Is.EqualTo("Dictionary<Int32, List<String>>"));
}
