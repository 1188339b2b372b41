using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>The devices of the tests of captured passes. They share them because a device compiles each kernel that it runs, which takes
/// longer than the passes.</summary>
[SetUpFixture]
public sealed class SharedDevices
{
    private static readonly Dictionary<(string Device, DType DType), Backend> Opened = [];

    /// <summary>Opens a device once; the test is skipped if this machine does not have it.</summary>
    internal static Backend Open(string device, DType dtype)
    {
        // A graph is launched only if the blocks in use are those of its capture: nothing that an earlier test left may be freed later.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        if (!Opened.TryGetValue((device, dtype), out var backend))
        {
            try
            {
                backend = IlgpuDevices.Open(device, new IlgpuOptions(dtype));
            }
            catch (BadInputException e)
            {
                Assert.Ignore(e.Message);
                throw;
            }
            Opened.Add((device, dtype), backend);
        }
        return backend;
    }

    [OneTimeTearDown]
    public void Close()
    {
        foreach (var backend in Opened.Values)
        {
            backend.Dispose();
        }
        Opened.Clear();
    }
}
