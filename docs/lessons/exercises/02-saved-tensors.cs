#:project ../checks/Checks.csproj

// # Exercise 2: bytes of a stack
//
//   dotnet run docs/lessons/exercises/02-saved-tensors.cs -- --check
//
// Four layers on data that needs no gradient. Layer i computes h ← (h·Wᵢᵀ)², a product and a square. Some of the weights train.
//
//     y = x·Wᵀ keeps x if W trains         z = u∘u keeps u, once, if u needs a gradient
//
// Below the lowest layer that trains nothing is recorded. Return the bytes that are kept for backward; every h and every u takes `bytes`.

using PeftCore.Lessons;

return SavedBytesCheck.Run(args, Saved);

static long Saved(long bytes, bool[] trains) =>
    throw new NotImplementedException("count the inputs and the squares that are kept");
