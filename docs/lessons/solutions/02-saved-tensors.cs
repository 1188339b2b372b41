#:project ../checks/Checks.csproj

// # Exercise 2, solved: bytes of a stack
//
//   dotnet run docs/lessons/solutions/02-saved-tensors.cs -- --check

using PeftCore.Lessons;

return SavedBytesCheck.Run(args, Saved);

static long Saved(long bytes, bool[] trains)
{
    int lowest = Array.IndexOf(trains, true);
    if (lowest < 0)
    {
        return 0;
    }
    int inputs = trains.Count(isTrained => isTrained), squares = trains.Length - lowest;
    return bytes * (inputs + squares);
}
